/**
 * The few system calls that node:fs lacks. Every function returns what the call returned, or throws an error with the symbolic errno in
 * `code`.
 */
import { ptr } from "bun:ffi";
import { call, callOnce, checked, errorOf, pathAt, SYS } from "./_libc";

const ESRCH = 3;
const EINTR = 4;
const EAGAIN = 11;
const ENODATA = 61;
const EOPNOTSUPP = 95;

/** `flock` operations, flock(2). */
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;

/** Lock the open file description behind `fd`. Returns false where LOCK_NB finds it locked by another. */
export function flock(fd: number, operation: number): boolean {
  const result = call(SYS.flock, fd, operation);
  if (result !== -EAGAIN) checked(result, "flock");
  return result === 0;
}

/** Random bytes, getrandom(2): loading Web Crypto for a few of them takes longer than a start has to spare. At most 256. */
export function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  checked(call(SYS.getrandom, ptr(bytes), length, 0), "getrandom");
  return bytes;
}

/** Keep `fd` open across execve. */
export function keepOnExec(fd: number): void {
  const F_SETFD = 2;
  checked(call(SYS.fcntl, fd, F_SETFD, 0), "fcntl");
}

/** An anonymous file in memory, close-on-exec. */
export function memfdCreate(name: string): number {
  const MFD_CLOEXEC = 1;
  return checked(call(SYS.memfd_create, pathAt(name, "memfd_create"), MFD_CLOEXEC), "memfd_create");
}

/** Replace this process. Descriptors that were not given to keepOnExec() are closed. Returns only by throwing. */
export function execve(path: string, argv: string[], env: Record<string, string | undefined>): never {
  const variables = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const args = stringVector(argv);
  const environment = stringVector(variables);
  throw errorOf(call(SYS.execve, pathAt(path, "execve"), args.address, environment.address), "execve", path);
}

/** An array of C strings that ends in a null pointer. It must stay referenced while the kernel may read it. */
function stringVector(items: string[]): { address: number; strings: Uint8Array; pointers: Uint32Array } {
  const strings = new TextEncoder().encode(items.map((item) => `${item}\0`).join(""));
  const pointers = new Uint32Array(2 * (items.length + 1)); // low and high half of each, the last one stays 0
  let at = items.length === 0 ? 0 : ptr(strings);
  const start = at;
  for (let i = 0; i < items.length; i++) {
    pointers[2 * i] = at; // modulo 2^32
    pointers[2 * i + 1] = Math.floor(at / 2 ** 32);
    at = start + strings.indexOf(0, at - start) + 1;
  }
  return { address: ptr(pointers), strings, pointers };
}

/** A descriptor of the process `pid`, pidfd_open(2). */
export function pidfdOpen(pid: number): number {
  return checked(call(SYS.pidfd_open, pid, 0), "pidfd_open");
}

/** Send `signal` to the process behind a pidfd. Returns false where it is gone. */
export function pidfdSendSignal(pidfd: number, signal: number): boolean {
  const result = call(SYS.pidfd_send_signal, pidfd, signal, 0, 0);
  if (result !== -ESRCH) checked(result, "pidfd_send_signal");
  return result === 0;
}

/** Wait until `fd` is readable (a pidfd: the process has ended) or `timeoutMs` have passed (-1: for ever). */
export function waitReadable(fd: number, timeoutMs: number): boolean {
  const POLLIN = 1;
  const end = timeoutMs < 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  for (;;) {
    const pollfd = new Int32Array([fd, POLLIN]); // struct pollfd: int fd; short events, revents
    const leftMs = Math.max(0, Math.ceil(end - performance.now()));
    const time = new BigInt64Array(2); // struct timespec: seconds, nanoseconds
    if (timeoutMs >= 0) time.set([BigInt(Math.floor(leftMs / 1000)), BigInt((leftMs % 1000) * 1_000_000)]);
    const n = callOnce(SYS.ppoll, ptr(pollfd), 1, timeoutMs < 0 ? 0 : ptr(time), 0, 0);
    if (n >= 0) return n > 0;
    if (n !== -EINTR) throw errorOf(n, "ppoll");
  }
}

/** The value of an extended attribute of `path` itself (never of a link's target); null where there is none. */
export function lgetxattr(path: string, name: string): Buffer | null {
  const value = new Uint8Array(256);
  const [at, named] = [pathAt(path, "lgetxattr", 0), pathAt(name, "lgetxattr", 1)];
  const n = call(SYS.lgetxattr, at, named, ptr(value), value.length);
  if (n === -ENODATA || n === -EOPNOTSUPP) return null;
  return Buffer.from(value.buffer, 0, checked(n, "lgetxattr", path));
}

/** Open `path` inside the directory `root` as if that were `/`: no link and no `..` leads out, openat2(2). Read-only. */
export function openInRoot(root: number, path: string): number {
  const O_RDONLY_CLOEXEC_NONBLOCK_NOCTTY = 0o2000000 | 0o4000 | 0o400;
  const RESOLVE_IN_ROOT = 0x10;
  const RESOLVE_NO_MAGICLINKS = 0x02;
  // struct open_how: flags, mode, resolve, each of 64 bits
  const how = new Uint32Array([
    O_RDONLY_CLOEXEC_NONBLOCK_NOCTTY,
    0,
    0,
    0,
    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    0,
  ]);
  for (;;) {
    const fd = call(SYS.openat2, root, pathAt(path, "openat2"), ptr(how), how.byteLength);
    // EAGAIN: a rename or mount anywhere on the host raced with the resolution of ".."
    if (fd !== -EAGAIN) return checked(fd, "openat2", path);
  }
}
