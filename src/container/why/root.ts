/** Ways through the root file system of a container, link by link, as the kernel goes them for its user. */
import type { SeenFile } from "../../helper";

/** What is asked of a root; `Files` is one. */
export type Root = {
  /** null where nothing is. */
  stat(path: string, follow: boolean): SeenFile | null;
  /** Throws. */
  read(path: string, offset: number, length: number): Uint8Array;
  /** Throws. */
  list(path: string): string[];
};

/** Who goes there. */
export type Walker = {
  uid: number;
  groups: readonly number[];
  /** CAP_DAC_OVERRIDE: modes of directories do not count. */
  overrides: boolean;
};

export type Way =
  | { kind: "found"; path: string; file: SeenFile }
  /** `in` is there, and `path`, which is in it, is not. */
  | { kind: "missing"; path: string; in: string }
  | { kind: "denied"; path: string; file: SeenFile }
  | { kind: "no-directory"; path: string }
  | { kind: "loop"; path: string };

const S_IFMT = 0o170000;
const LINKS_LIMIT = 40; // as the kernel has it

export const isDirectory = ({ mode }: SeenFile): boolean => (mode & S_IFMT) === 0o040000;
export const isFile = ({ mode }: SeenFile): boolean => (mode & S_IFMT) === 0o100000;
const isLink = ({ mode }: SeenFile): boolean => (mode & S_IFMT) === 0o120000;

/** `rwxr-xr-x root:root`-like, in numbers. */
export function describeMode({ mode, uid, gid }: SeenFile): string {
  return `mode ${(mode & 0o7777).toString(8).padStart(4, "0")}, owner ${uid}:${gid}`;
}

/** Whether the x bit counts for this user: of a directory to pass through, of a file to execute it. */
export function mayExecute(file: SeenFile, walker: Walker): boolean {
  if (walker.overrides) return isDirectory(file) || (file.mode & 0o111) !== 0;
  return (bitsFor(file, walker) & 1) !== 0;
}

export function mayRead(file: SeenFile, walker: Walker): boolean {
  return walker.overrides || (bitsFor(file, walker) & 4) !== 0;
}

function bitsFor(file: SeenFile, { uid, groups }: Walker): number {
  const shift = file.uid === uid ? 6 : groups.includes(file.gid) ? 3 : 0;
  return (file.mode >> shift) & 7;
}

/** Where an absolute path leads, through every link. */
export function walk(root: Root, path: string, walker: Walker): Way {
  const rest = path.split("/").filter(Boolean);
  let at = "";
  let links = 0;
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === ".") continue;
    if (name === "..") {
      at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      continue;
    }
    const directory = root.stat(at || "/", false);
    if (directory && !mayExecute(directory, walker))
      return { kind: "denied", path: at || "/", file: directory };
    const next = `${at}/${name}`;
    const file = root.stat(next, false);
    if (!file) return { kind: "missing", path: next, in: at || "/" };
    if (isLink(file)) {
      if (++links > LINKS_LIMIT) return { kind: "loop", path };
      const target = file.link ?? "";
      rest.unshift(...target.split("/").filter(Boolean));
      if (target.startsWith("/")) at = "";
      continue;
    }
    if (rest.length > 0 && !isDirectory(file)) return { kind: "no-directory", path: next };
    at = next;
  }
  const file = root.stat(at || "/", false);
  return file ? { kind: "found", path: at || "/", file } : { kind: "missing", path: at, in: "/" };
}
