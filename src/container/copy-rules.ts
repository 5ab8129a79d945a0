/**
 * Where a copy goes, and under which name: docker's rules. A trailing "/" says "a directory", "/." says "what is in it"; nothing here looks at a file system but
 * through STAT.
 */
import { EngineError } from "../error";
import type { SeenFile } from "../helper";

/** One end of a copy: a path, absolute, with a trailing "/" or "/." kept; and who to ask about it. */
export type End = {
  path: string;
  stat(path: string, follow: boolean): SeenFile | null;
  /** For messages: docker's words where the path is not there. */
  missing(path: string): EngineError;
};

export type Source = {
  /** What is packed. */
  path: string;
  follow: boolean;
  isDirectory: boolean;
  /** "." takes the content of a directory. */
  name: string;
};

export type Destination = {
  /** An existing directory. */
  directory: string;
  /** What the copy is called in it; "." puts the content of a directory there. */
  name: string;
};

const S_IFMT = 0o170000;
export const isDirectory = ({ mode }: SeenFile): boolean => (mode & S_IFMT) === 0o040000;
const isLink = ({ mode }: SeenFile): boolean => (mode & S_IFMT) === 0o120000;

/** "/a/../b//c/" is "/b/c/", "/." stays at the end. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  const end = parts.length === 0 ? "" : /(^|\/)\.$/.test(path) ? "/." : path.endsWith("/") ? "/" : "";
  return `/${parts.join("/")}${end}`;
}

/** Without what stands at its end to say something. */
export function barePath(path: string): string {
  return path.replace(/(?<=.)\/\.?$/, "") || "/";
}

export function parentOfPath(path: string): string {
  const bare = barePath(path);
  return bare.slice(0, bare.lastIndexOf("/")) || "/";
}

export function nameOfPath(path: string): string {
  const bare = barePath(path);
  return bare.slice(bare.lastIndexOf("/") + 1);
}

const assertsDirectory = (path: string): boolean => /\/\.?$/.test(path);

function fail(path: string, why: string): EngineError {
  return new EngineError("invalid", "cp", path, why, { exitCode: 1 });
}

/** What is to be copied. Throws `not-found`, `invalid`. */
export function findSource(end: End, followLink: boolean): Source {
  const { path } = end;
  const wantsDirectory = assertsDirectory(path);
  const seen = end.stat(path, followLink || wantsDirectory);
  if (seen === null) {
    if (wantsDirectory && end.stat(barePath(path), true) !== null) throw fail(path, "not a directory");
    throw end.missing(path);
  }
  const takesContent = path === "/" || path.endsWith("/.");
  return {
    path: takesContent ? path : wantsDirectory ? path : barePath(path),
    follow: followLink,
    isDirectory: isDirectory(seen),
    name: takesContent ? "." : nameOfPath(path),
  };
}

const LINKS = 10; // as docker follows them

/** Through links, also to what is not there yet. */
function resolve(end: End): { path: string; seen: SeenFile | null } {
  let { path } = end;
  for (let links = 0; ; links++) {
    const seen = end.stat(path, assertsDirectory(path));
    if (seen === null || !isLink(seen)) return { path, seen };
    if (links === LINKS) throw fail(end.path, "too many symbolic links");
    const target = seen.link ?? "";
    path = cleanPath(target.startsWith("/") ? target : `${parentOfPath(path)}/${target}`);
  }
}

/** Where SOURCE goes. Throws `invalid`, `not-found`. */
export function findDestination(end: End, source: Source): Destination {
  const { path, seen } = resolve(end);
  if (seen && isDirectory(seen)) return { directory: path, name: source.name };
  if (seen && source.isDirectory) throw fail(end.path, "cannot copy directory");
  if (!seen && assertsDirectory(path)) {
    if (end.stat(barePath(path), true) !== null) throw fail(end.path, "not a directory");
    if (!source.isDirectory) throw fail(end.path, "no such directory");
  }
  const directory = parentOfPath(path);
  const parent = end.stat(directory, true);
  if (parent === null) throw end.missing(directory);
  if (!isDirectory(parent)) throw fail(end.path, "not a directory");
  return { directory, name: nameOfPath(path) };
}
