/**
 * System calls by their numbers, through libc's syscall(2): opening libc costs 0.6 ms and every further symbol some more, so there is one.
 * It is opened at the first call.
 */
import { dlopen, FFIType, ptr, read } from "bun:ffi";
import { wordsOfErrno } from "../error";

const symbols = {
  syscall: { args: ["i64", "i64", "i64", "i64", "i64", "i64"], returns: FFIType.i64_fast },
  __errno_location: { args: [], returns: "ptr" },
} as const;

let libc: ReturnType<typeof dlopen<typeof symbols>>["symbols"] | undefined;

// Of Linux' asm/unistd.h: x86_64, and where that differs the generic table, which arm64 has.
const isX64 = process.arch === "x64";
export const SYS = {
  read: isX64 ? 0 : 63,
  write: isX64 ? 1 : 64,
  close: isX64 ? 3 : 57,
  fcntl: isX64 ? 72 : 25,
  pread64: isX64 ? 17 : 67,
  fsync: isX64 ? 74 : 82,
  uname: isX64 ? 63 : 160,
  flock: isX64 ? 73 : 32,
  inotify_init1: isX64 ? 294 : 26,
  inotify_add_watch: isX64 ? 254 : 27,
  execve: isX64 ? 59 : 221,
  lgetxattr: isX64 ? 192 : 9,
  getdents64: isX64 ? 217 : 61,
  openat: isX64 ? 257 : 56,
  mkdirat: isX64 ? 258 : 34,
  unlinkat: isX64 ? 263 : 35,
  symlinkat: isX64 ? 266 : 36,
  fchmodat: isX64 ? 268 : 53,
  faccessat: isX64 ? 269 : 48,
  readlinkat: isX64 ? 267 : 78,
  renameat2: isX64 ? 316 : 276,
  mount: isX64 ? 165 : 40,
  umount2: isX64 ? 166 : 39,
  pipe2: isX64 ? 293 : 59,
  ppoll: isX64 ? 271 : 73,
  clock_gettime: isX64 ? 228 : 113,
  getrandom: isX64 ? 318 : 278,
  syncfs: isX64 ? 306 : 267,
  memfd_create: isX64 ? 319 : 279,
  statx: isX64 ? 332 : 291,
  statfs: isX64 ? 137 : 43,
  pidfd_send_signal: 424,
  pidfd_open: 434,
  openat2: 437,
} as const;

/** What the system call returned, or -errno. */
export function callOnce(nr: number, a = 0, b = 0, c = 0, d = 0, e = 0): number {
  libc ??= dlopen("libc.so.6", symbols).symbols;
  const result = Number(libc.syscall(nr, a, b, c, d, e));
  return result >= 0 ? result : -read.i32(libc.__errno_location() as never, 0);
}

/** The same; a call that a signal interrupted is made again, as by Bun, but close(2), which has closed then. */
export function call(nr: number, a?: number, b?: number, c?: number, d?: number, e?: number): number {
  const EINTR = 4;
  for (;;) {
    const result = callOnce(nr, a, b, c, d, e);
    if (result !== -EINTR || nr === SYS.close) return result;
  }
}

/** Numbers that a start may well meet, the same on all of Linux' architectures but a few old ones; the others are in `node:os`. */
const usualErrnos: Record<number, string> = {
  1: "EPERM",
  2: "ENOENT",
  3: "ESRCH",
  4: "EINTR",
  6: "ENXIO",
  9: "EBADF",
  11: "EAGAIN",
  13: "EACCES",
  17: "EEXIST",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  26: "ETXTBSY",
  28: "ENOSPC",
  30: "EROFS",
  32: "EPIPE",
  61: "ENODATA",
  95: "EOPNOTSUPP",
};

function nameOf(errno: number): string {
  const usual = usualErrnos[errno];
  if (usual !== undefined) return usual;
  const { constants } = require("node:os") as typeof import("node:os");
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}

/** The error of a call that returned `-errno`, as `node:fs` throws it. */
export function errorOf(
  result: number,
  syscall: string,
  path?: string,
  dest?: string,
): NodeJS.ErrnoException {
  const code = nameOf(-result);
  const on = path === undefined ? "" : ` '${path}'${dest === undefined ? "" : ` -> '${dest}'`}`;
  const error: NodeJS.ErrnoException = new Error(`${code}: ${wordsOfErrno(code)}, ${syscall}${on}`);
  Object.assign(error, { errno: result, code, syscall });
  if (path) error.path = path;
  if (dest !== undefined) Object.assign(error, { dest });
  return error;
}

export function checked(result: number, syscall: string, path?: string): number {
  if (result < 0) throw errorOf(result, syscall, path);
  return result;
}

// A path is copied here, and is the kernel's no longer when the call has returned.
const PATH_MAX = 4096;
const encoder = new TextEncoder();
const paths = [new Uint8Array(PATH_MAX), new Uint8Array(PATH_MAX)] as const;

/**
 * The address of a NUL-terminated copy of `path`, good until the next one in the same place.
 *
 * @throws ENAMETOOLONG, and EINVAL where it holds a NUL: the kernel would see another path than whoever checked it
 */
export function pathAt(path: string, syscall: string, place: 0 | 1 = 0): number {
  const bytes = paths[place];
  if (path.includes("\0")) throw errorOf(-22, syscall, path); // EINVAL
  const { read: taken, written } = encoder.encodeInto(path, bytes);
  if (taken < path.length || written === PATH_MAX) throw errorOf(-36, syscall, path); // ENAMETOOLONG
  bytes[written] = 0;
  return ptr(bytes);
}
