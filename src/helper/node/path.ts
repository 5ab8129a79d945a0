/** What a start needs of `node:path`; see `fs.ts`. */

/** Parts joined by `/`; `.`, `..` and doubled slashes worked out without a look at any file. */
export function join(...parts: string[]): string {
  const path = parts.filter((part) => part !== "").join("/");
  return path === "" ? "." : normalize(path);
}

export function normalize(path: string): string {
  if (isClean(path)) return path;
  const isRooted = path.startsWith("/");
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") kept.push(part);
    else if (kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (!isRooted) kept.push("..");
  }
  const end = path.endsWith("/") && kept.length > 0 ? "/" : "";
  const plain = `${isRooted ? "/" : ""}${kept.join("/")}${end}`;
  return plain === "" ? (path.endsWith("/") ? "./" : ".") : plain;
}

/** Nothing to work out: the usual case. */
function isClean(path: string): boolean {
  return path !== "" && !path.includes("//") && !path.includes("/.") && !path.startsWith(".");
}

export function isAbsolute(path: string): boolean {
  return path.startsWith("/");
}

export function dirname(path: string): string {
  const end = path.lastIndexOf("/", endOf(path) - 1);
  if (end < 0) return path.startsWith("/") ? "/" : ".";
  if (end === 0) return "/";
  return end === 1 && path.startsWith("/") ? "//" : path.slice(0, end);
}

/** Without its directories; a slash at the end counts for nothing. */
export function basename(path: string): string {
  const end = endOf(path);
  return path.slice(path.lastIndexOf("/", end - 1) + 1, end);
}

/** The length of the path without the slashes at its end. */
function endOf(path: string): number {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") end--;
  return end;
}
