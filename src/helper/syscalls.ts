/**
 * The few system calls that node:fs lacks, through bun:ffi. Opening libc costs 0.6 ms, so it happens on the first call.
 * Every function returns what the call returned, or throws an error with the symbolic errno in `code`.
 */
import { dlopen, FFIType, ptr, read } from "bun:ffi";
import { constants } from "node:os";

const symbols = {
  flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.i64], returns: FFIType.i32 },
  memfd_create: { args: [FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
  execve: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  poll: { args: [FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
  lgetxattr: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr, FFIType.u64], returns: FFIType.i64 },
  syscall: {
    args: [FFIType.i64, FFIType.i64, FFIType.i64, FFIType.i64, FFIType.i64],
    returns: FFIType.i64,
  },
  __errno_location: { args: [], returns: FFIType.ptr },
} as const;

let libc: ReturnType<typeof dlopen<typeof symbols>>["symbols"] | undefined;

function c() {
  libc ??= dlopen("libc.so.6", symbols).symbols;
  return libc;
}

/** The errno of the call just made, as an error whose `code` is its symbolic name. */
function lastError(call: string): NodeJS.ErrnoException {
  const errno = read.i32(c().__errno_location() as never, 0);
  const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${call}: ${code}`), { code, errno, syscall: call });
}

function checked(call: string, result: number | bigint): number {
  if (Number(result) < 0) throw lastError(call);
  return Number(result);
}

/** A NUL-terminated copy. The buffer must stay referenced while the kernel may read it. */
function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** `flock` operations, flock(2). */
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;

/** Lock the open file description behind `fd`. Returns false where LOCK_NB finds it locked by another. */
export function flock(fd: number, operation: number): boolean {
  for (;;) {
    if (c().flock(fd, operation) === 0) return true;
    const error = lastError("flock");
    if (error.code === "EAGAIN") return false;
    if (error.code !== "EINTR") throw error;
  }
}

/** Keep `fd` open across execve. */
export function keepOnExec(fd: number): void {
  const F_SETFD = 2;
  checked("fcntl", c().fcntl(fd, F_SETFD, 0));
}

/** An anonymous file in memory, close-on-exec. */
export function memfdCreate(name: string): number {
  const MFD_CLOEXEC = 1;
  return checked("memfd_create", c().memfd_create(ptr(cString(name)), MFD_CLOEXEC));
}

/** Replace this process. Descriptors that were not given to keepOnExec() are closed. Returns only by throwing. */
export function execve(path: string, argv: string[], env: Record<string, string | undefined>): never {
  const strings: Buffer[] = [];
  const vector = (items: string[]): BigUint64Array => {
    const pointers = new BigUint64Array(items.length + 1); // the last one stays 0
    items.forEach((item, i) => {
      const buffer = cString(item);
      strings.push(buffer); // referenced until execve has copied it
      pointers[i] = BigInt(ptr(buffer));
    });
    return pointers;
  };
  const args = vector(argv);
  const environment = vector(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`])),
  );
  const file = cString(path);
  c().execve(ptr(file), ptr(args), ptr(environment));
  throw lastError("execve");
}

/** A descriptor of the process `pid`, pidfd_open(2). */
export function pidfdOpen(pid: number): number {
  const SYS_pidfd_open = 434;
  return checked("pidfd_open", c().syscall(SYS_pidfd_open, pid, 0, 0, 0));
}

/** Send `signal` to the process behind a pidfd. Returns false where it is gone. */
export function pidfdSendSignal(pidfd: number, signal: number): boolean {
  const SYS_pidfd_send_signal = 424;
  if (Number(c().syscall(SYS_pidfd_send_signal, pidfd, signal, 0, 0)) === 0) return true;
  const error = lastError("pidfd_send_signal");
  if (error.code === "ESRCH") return false;
  throw error;
}

const LONGEST_POLL_MS = 0x7fff_ffff; // poll(2) takes an int

/** Wait until `fd` is readable (a pidfd: the process has ended) or `timeoutMs` have passed (-1: for ever). */
export function waitReadable(fd: number, timeoutMs: number): boolean {
  const POLLIN = 1;
  const end = timeoutMs < 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  for (;;) {
    const pollfd = new Int32Array([fd, POLLIN]); // struct pollfd: int fd; short events, revents
    const left = end === Number.POSITIVE_INFINITY ? -1 : Math.max(0, Math.ceil(end - performance.now()));
    const n = c().poll(ptr(pollfd), 1, Math.min(left, LONGEST_POLL_MS));
    if (n > 0) return true;
    if (n === 0 && left <= LONGEST_POLL_MS) return false;
    if (n === 0) continue;
    const error = lastError("poll");
    if (error.code !== "EINTR") throw error;
  }
}

/** The value of an extended attribute of `path` itself (never of a link's target); null where there is none. */
export function lgetxattr(path: string, name: string): Buffer | null {
  const value = Buffer.alloc(256);
  const n = Number(c().lgetxattr(ptr(cString(path)), ptr(cString(name)), ptr(value), value.length));
  if (n >= 0) return value.subarray(0, n);
  const error = lastError("lgetxattr");
  if (error.code === "ENODATA" || error.code === "EOPNOTSUPP" || error.code === "ENOTSUP") return null;
  throw error;
}

/** Open `path` inside the directory `root` as if that were `/`: no link and no `..` leads out, openat2(2). Read-only. */
export function openInRoot(root: number, path: string): number {
  const SYS_openat2 = 437;
  const O_RDONLY_CLOEXEC_NONBLOCK_NOCTTY = 0o2000000 | 0o4000 | 0o400;
  const RESOLVE_IN_ROOT = 0x10;
  const RESOLVE_NO_MAGICLINKS = 0x02;
  const how = new BigUint64Array([
    BigInt(O_RDONLY_CLOEXEC_NONBLOCK_NOCTTY),
    0n,
    BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS),
  ]);
  const file = cString(path);
  for (;;) {
    const fd = Number(c().syscall(SYS_openat2, root, ptr(file), ptr(how), how.byteLength));
    if (fd >= 0) return fd;
    const error = lastError("openat2");
    // EAGAIN: a rename or mount anywhere on the host raced with the resolution of ".."
    if (error.code !== "EAGAIN" && error.code !== "EINTR") throw error;
  }
}
