/**
 * What a start needs of `node:fs`, made of bare system calls. The build puts it in the place of `node:fs` for the names it exports
 * (`.dev/faces.ts`): loading Bun's own costs 2 ms of the 7 that an empty program takes. Arguments, results and errors are those of
 * `node:fs`; what is not done here goes there.
 */
import { ptr } from "bun:ffi";
import type * as Fs from "node:fs";
import { call, checked, errorOf, pathAt, SYS } from "../_libc";
import { dirname } from "./path";

const whole = () => require("node:fs") as typeof Fs;

const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;

/** Files inside this executable have no name that the kernel knows. */
function isPath(path: unknown): path is string {
  return typeof path === "string" && !path.startsWith("/$bunfs/");
}

const known = {
  F_OK: 0,
  X_OK: 1,
  W_OK: 2,
  R_OK: 4,
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DIRECTORY: process.arch === "x64" ? 0o200000 : 0o40000,
  O_NOFOLLOW: process.arch === "x64" ? 0o400000 : 0o100000,
};

export const constants = new Proxy(known, {
  get: (mine, name) =>
    mine[name as keyof typeof mine] ?? whole().constants[name as keyof typeof Fs.constants],
}) as unknown as typeof Fs.constants;

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND } = known;
const flagsByName: Record<string, number> = {
  r: O_RDONLY,
  "r+": O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_EXCL,
  "w+": O_RDWR | O_CREAT | O_TRUNC,
  "wx+": O_RDWR | O_CREAT | O_EXCL,
  a: O_WRONLY | O_CREAT | O_APPEND,
  ax: O_WRONLY | O_CREAT | O_APPEND | O_EXCL,
};

function numberOf(flags: unknown): number | undefined {
  return typeof flags === "number" ? flags : flagsByName[(flags ?? "r") as string];
}

export const openSync: typeof Fs.openSync = (path, flags, mode) => {
  const wanted = numberOf(flags);
  if (!isPath(path) || wanted === undefined || typeof mode === "string")
    return whole().openSync(path, flags, mode);
  return checked(open(path, wanted, mode ?? 0o666), "open", path);
};

function open(path: string, flags: number, mode: number): number {
  return call(SYS.openat, AT_FDCWD, pathAt(path, "open"), flags | O_CLOEXEC, mode);
}

export const closeSync: typeof Fs.closeSync = (fd) => {
  checked(call(SYS.close, fd), "close");
};

export const readSync = ((...args: [number, Uint8Array, number, number, number | null]) => {
  const [fd, bytes, offset, length, position] = args;
  const isPlain = args.length === 5 && typeof offset === "number" && offset >= 0 && length > 0;
  if (!isPlain || !(offset + length <= bytes.length) || (position !== null && typeof position !== "number"))
    return whole().readSync(...args);
  const address = ptr(bytes) + offset;
  return position === null || position < 0
    ? checked(call(SYS.read, fd, address, length), "read")
    : checked(call(SYS.pread64, fd, address, length, position), "read");
}) as typeof Fs.readSync;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const FIRST_READ_BYTES = 16 << 10;

/** Where texts are read to before they are decoded: making as much room for each of a hundred small files takes as long as reading them. */
let room: Uint8Array | undefined;

function readAll(fd: number, into: Uint8Array): Uint8Array {
  let bytes = into;
  let length = 0;
  for (;;) {
    const n = checked(call(SYS.read, fd, ptr(bytes) + length, bytes.length - length), "read");
    if (n === 0) return bytes.subarray(0, length);
    length += n;
    if (length < bytes.length) continue;
    const larger = new Uint8Array(4 * bytes.length);
    larger.set(bytes);
    bytes = larger;
  }
}

export const readFileSync = ((path: unknown, options?: unknown) => {
  const encoding = typeof options === "string" ? options : (options as { encoding?: string })?.encoding;
  if (!isPath(path) || (encoding !== undefined && encoding !== "utf8"))
    return whole().readFileSync(path as string, options as "utf8");
  const fd = openSync(path, O_RDONLY);
  try {
    if (encoding === "utf8") {
      room ??= new Uint8Array(FIRST_READ_BYTES);
      return decoder.decode(readAll(fd, room));
    }
    const bytes = readAll(fd, new Uint8Array(FIRST_READ_BYTES));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  } finally {
    closeSync(fd);
  }
}) as typeof Fs.readFileSync;

export const writeSync = ((
  fd: number,
  data: unknown,
  offset?: unknown,
  length?: unknown,
  position?: unknown,
) => {
  const isPlain = data instanceof Uint8Array && length === undefined && position === undefined;
  const from = (offset ?? 0) as number;
  if (!isPlain || typeof from !== "number" || !(from >= 0 && from < data.length))
    return whole().writeSync(fd, data as Uint8Array, offset as number, length as number, position as number);
  return checked(call(SYS.write, fd, ptr(data) + from, data.length - from), "write");
}) as typeof Fs.writeSync;

export const writeFileSync: typeof Fs.writeFileSync = (path, data, options) => {
  const { mode = 0o666, flag = "w" } = (typeof options === "object" ? options : undefined) ?? {};
  const isPlain = typeof options !== "string" && (typeof data === "string" || data instanceof Uint8Array);
  if (!isPath(path) || !isPlain || typeof mode !== "number" || Object.keys(options ?? {}).some(isForeign))
    return whole().writeFileSync(path, data, options);
  const fd = openSync(path, flag, mode);
  try {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : (data as Uint8Array);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  } finally {
    closeSync(fd);
  }
};

function isForeign(option: string): boolean {
  return option !== "mode" && option !== "flag";
}

export const existsSync: typeof Fs.existsSync = (path) => {
  if (!isPath(path)) return whole().existsSync(path);
  try {
    return call(SYS.faccessat, AT_FDCWD, pathAt(path, "access"), known.F_OK) === 0;
  } catch {
    return false; // no path at all
  }
};

export const accessSync: typeof Fs.accessSync = (path, mode = known.F_OK) => {
  if (!isPath(path)) return whole().accessSync(path, mode);
  checked(call(SYS.faccessat, AT_FDCWD, pathAt(path, "access"), mode), "access", path);
};

const STATX_BYTES = 256; // struct statx, the same on every architecture
const STATX_BASIC_STATS_AND_BTIME = 0xfff;
const AT_EMPTY_PATH = 0x1000;
const AT_SYMLINK_NOFOLLOW = 0x100;
const S_IFMT = 0o170000;

/** The fields of struct statx, statx(2), as `fs.Stats` has them. What is seldom asked for is worked out when it is. */
class Stat {
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly ino: number;
  readonly size: number;
  readonly #words: Uint32Array;

  constructor(words: Uint32Array) {
    this.#words = words;
    this.nlink = words[4] as number;
    this.uid = words[5] as number;
    this.gid = words[6] as number;
    this.mode = (words[7] as number) & 0xffff;
    this.ino = wide(words, 8);
    this.size = wide(words, 10);
  }

  get blksize(): number {
    return this.#words[1] as number;
  }
  get blocks(): number {
    return wide(this.#words, 12);
  }
  get atimeMs(): number {
    return milliseconds(this.#words, 16);
  }
  get birthtimeMs(): number {
    return milliseconds(this.#words, 20);
  }
  get ctimeMs(): number {
    return milliseconds(this.#words, 24);
  }
  get mtimeMs(): number {
    return milliseconds(this.#words, 28);
  }
  get rdev(): number {
    return deviceNumber(this.#words, 32);
  }
  get dev(): number {
    return deviceNumber(this.#words, 34);
  }
  get atime(): Date {
    return new Date(this.atimeMs);
  }
  get birthtime(): Date {
    return new Date(this.birthtimeMs);
  }
  get ctime(): Date {
    return new Date(this.ctimeMs);
  }
  get mtime(): Date {
    return new Date(this.mtimeMs);
  }
  isFIFO(): boolean {
    return (this.mode & S_IFMT) === 0o010000;
  }
  isCharacterDevice(): boolean {
    return (this.mode & S_IFMT) === 0o020000;
  }
  isDirectory(): boolean {
    return (this.mode & S_IFMT) === 0o040000;
  }
  isBlockDevice(): boolean {
    return (this.mode & S_IFMT) === 0o060000;
  }
  isFile(): boolean {
    return (this.mode & S_IFMT) === 0o100000;
  }
  isSymbolicLink(): boolean {
    return (this.mode & S_IFMT) === 0o120000;
  }
  isSocket(): boolean {
    return (this.mode & S_IFMT) === 0o140000;
  }
}

/** A number of 64 bits. */
function wide(words: Uint32Array, at: number): number {
  return (words[at] as number) + (words[at + 1] as number) * 2 ** 32;
}

/** struct statx_timestamp: seconds, of 64 bits with a sign, and nanoseconds. */
function milliseconds(words: Uint32Array, at: number): number {
  const seconds = (words[at] as number) + ((words[at + 1] as number) | 0) * 2 ** 32;
  return seconds * 1000 + (words[at + 2] as number) / 1_000_000;
}

/** Major and minor number as glibc packs them, makedev(3). */
function deviceNumber(words: Uint32Array, at: number): number {
  const [major, minor] = [words[at] as number, words[at + 1] as number];
  return ((major & 0xfff) << 8) + (minor & 0xff) + (minor >>> 8) * 2 ** 20 + (major >>> 12) * 2 ** 44;
}

function statx(fd: number, path: string, flags: number, name: string): Stat | number {
  const words = new Uint32Array(STATX_BYTES / 4);
  const address = pathAt(path, name);
  const result = call(SYS.statx, fd, address, flags, STATX_BASIC_STATS_AND_BTIME, ptr(words));
  return result < 0 ? result : new Stat(words);
}

type StatOptions = { bigint?: boolean; throwIfNoEntry?: boolean } | undefined;

function statFunction(name: "stat" | "lstat", flags: number): typeof Fs.statSync {
  const function_ = (path: unknown, options: StatOptions) => {
    if (!isPath(path) || options?.bigint === true)
      return whole()[`${name}Sync`](path as string, options as { bigint: false });
    const result = statx(AT_FDCWD, path, flags, name);
    if (typeof result !== "number") return result;
    if (result === -2 && options?.throwIfNoEntry === false) return undefined; // ENOENT
    throw errorOf(result, name, path);
  };
  return function_ as typeof Fs.statSync;
}

export const statSync = statFunction("stat", 0);
export const lstatSync = statFunction("lstat", AT_SYMLINK_NOFOLLOW) as typeof Fs.lstatSync;

export const fstatSync = ((fd: number, options: StatOptions) => {
  if (options?.bigint === true) return whole().fstatSync(fd, { bigint: true });
  const result = statx(fd, "", AT_EMPTY_PATH, "fstat");
  if (typeof result !== "number") return result;
  throw errorOf(result, "fstat");
}) as typeof Fs.fstatSync;

export const mkdirSync = ((path: unknown, options?: Fs.MakeDirectoryOptions) => {
  const { recursive = false, mode = 0o777 } = options ?? {};
  if (!isPath(path) || typeof mode !== "number" || typeof options === "number")
    return whole().mkdirSync(path as string, options);
  if (recursive) return makeWithParents(path, mode);
  checked(make(path, mode), "mkdir", path);
  return undefined;
}) as typeof Fs.mkdirSync;

function make(path: string, mode: number): number {
  return call(SYS.mkdirat, AT_FDCWD, pathAt(path, "mkdir"), mode);
}

/** The topmost directory that was made; undefined where all were there. */
function makeWithParents(path: string, mode: number): string | undefined {
  const result = make(path, mode);
  if (result === 0) return path;
  if (result === -17 && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return undefined; // EEXIST
  const parent = dirname(path);
  if (result !== -2 || parent === path) throw errorOf(result, "mkdir", path); // ENOENT
  const first = makeWithParents(parent, mode);
  return makeWithParents(path, mode) === undefined ? first : (first ?? path);
}

export const unlinkSync: typeof Fs.unlinkSync = (path) => {
  if (!isPath(path)) return whole().unlinkSync(path);
  checked(call(SYS.unlinkat, AT_FDCWD, pathAt(path, "unlink"), 0), "unlink", path);
};

export const rmSync: typeof Fs.rmSync = (path, options) => {
  if (isPath(path)) {
    const result = call(SYS.unlinkat, AT_FDCWD, pathAt(path, "rm"), 0);
    if (result === 0 || (result === -2 && options?.force)) return; // ENOENT
  }
  whole().rmSync(path, options); // a directory, or what it has to say about it
};

export const renameSync: typeof Fs.renameSync = (from, to) => {
  if (!isPath(from) || !isPath(to)) return whole().renameSync(from, to);
  const addresses = [pathAt(from, "rename", 0), pathAt(to, "rename", 1)] as const;
  const result = call(SYS.renameat2, AT_FDCWD, addresses[0], AT_FDCWD, addresses[1], 0);
  if (result < 0) throw errorOf(result, "rename", from, to);
};

export const fsyncSync: typeof Fs.fsyncSync = (fd) => {
  checked(call(SYS.fsync, fd), "fsync");
};

export const symlinkSync: typeof Fs.symlinkSync = (target, path, type) => {
  if (!isPath(target) || !isPath(path)) return whole().symlinkSync(target, path, type);
  const addresses = [pathAt(target, "symlink", 0), pathAt(path, "symlink", 1)] as const;
  const result = call(SYS.symlinkat, addresses[0], AT_FDCWD, addresses[1]);
  if (result < 0) throw errorOf(result, "symlink", target, path);
};

const LINK_MAX_BYTES = 4096; // PATH_MAX: no link is longer

export const readlinkSync = ((path: unknown, options?: unknown) => {
  if (!isPath(path) || options !== undefined) return whole().readlinkSync(path as string, options as "utf8");
  const bytes = new Uint8Array(LINK_MAX_BYTES);
  const at = pathAt(path, "readlink");
  const n = checked(call(SYS.readlinkat, AT_FDCWD, at, ptr(bytes), bytes.length), "readlink", path);
  return decoder.decode(bytes.subarray(0, n));
}) as typeof Fs.readlinkSync;

export const chmodSync: typeof Fs.chmodSync = (path, mode) => {
  if (!isPath(path) || typeof mode !== "number") return whole().chmodSync(path, mode);
  checked(call(SYS.fchmodat, AT_FDCWD, pathAt(path, "chmod"), mode), "chmod", path);
};

const DIRECTORY_READ_BYTES = 32 << 10;

export const readdirSync = ((path: unknown, options?: unknown) => {
  if (!isPath(path) || options !== undefined) return whole().readdirSync(path as string, options as "utf8");
  const fd = checked(open(path, O_RDONLY | known.O_DIRECTORY, 0), "scandir", path);
  try {
    return namesIn(fd, path);
  } finally {
    closeSync(fd);
  }
}) as typeof Fs.readdirSync;

/** struct linux_dirent64, getdents64(2): the length of the record stands at 16, the name, ended by NUL, at 19. */
function namesIn(fd: number, path: string): string[] {
  const names: string[] = [];
  const bytes = new Uint8Array(DIRECTORY_READ_BYTES);
  for (;;) {
    const n = checked(call(SYS.getdents64, fd, ptr(bytes), bytes.length), "scandir", path);
    if (n === 0) return names;
    for (let at = 0; at < n; at += (bytes[at + 16] ?? 0) | ((bytes[at + 17] ?? 0) << 8)) {
      const name = decoder.decode(bytes.subarray(at + 19, bytes.indexOf(0, at + 19)));
      if (name !== "." && name !== "..") names.push(name);
    }
  }
}

// What a start does not need, or seldom, is called by its name in Bun's own.

export const chownSync: typeof Fs.chownSync = (path, uid, gid) => whole().chownSync(path, uid, gid);
export const fsync = ((fd: number, done: Fs.NoParamCallback) => whole().fsync(fd, done)) as typeof Fs.fsync;
export const watch = ((...args: Parameters<typeof Fs.watch>) => whole().watch(...args)) as typeof Fs.watch;
export const realpathSync = ((path: string) => whole().realpathSync(path)) as typeof Fs.realpathSync;
