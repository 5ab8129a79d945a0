/**
 * The few system calls that node:fs lacks. Every function returns what the call returned, or throws an error with the symbolic errno in
 * `code`.
 */
import { ptr } from "bun:ffi";
import { call, callOnce, checked, errorOf, pathAt, SYS } from "./_libc";

const AT_FDCWD = -100;
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

/** The wall clock, clock_gettime(2): to the nanosecond, which `Date.now()` does not know. */
export function wallClock(): { seconds: number; nanoseconds: number } {
  const CLOCK_REALTIME = 0;
  const time = new BigInt64Array(2); // struct timespec
  checked(call(SYS.clock_gettime, CLOCK_REALTIME, ptr(time)), "clock_gettime");
  return { seconds: Number(time[0]), nanoseconds: Number(time[1]) };
}

/** Keep `fd` open across execve. */
export function keepOnExec(fd: number): void {
  const F_SETFD = 2;
  checked(call(SYS.fcntl, fd, F_SETFD, 0), "fcntl");
}

/** Another descriptor of the same open file, close-on-exec. */
export function duplicate(fd: number): number {
  const F_DUPFD_CLOEXEC = 1030;
  return checked(call(SYS.fcntl, fd, F_DUPFD_CLOEXEC, 3), "fcntl");
}

/** An anonymous file in memory, close-on-exec. */
export function memfdCreate(name: string): number {
  const MFD_CLOEXEC = 1;
  return checked(call(SYS.memfd_create, pathAt(name, "memfd_create"), MFD_CLOEXEC), "memfd_create");
}

/** Mount a tmpfs at `path`, mount(2), with its own options (`size=1m,mode=700`). Nosuid and nodev. */
export function mountTmpfs(path: string, options: string): void {
  const MS_NOSUID_NODEV = 2 | 4;
  const type = new TextEncoder().encode("tmpfs\0");
  const data = new TextEncoder().encode(`${options}\0`);
  const at = ptr(type);
  checked(call(SYS.mount, at, pathAt(path, "mount"), at, MS_NOSUID_NODEV, ptr(data)), "mount", path);
}

/** Take off what is mounted at `path`, umount2(2); with `lazy` also while it is used. */
export function umount(path: string, lazy: boolean): void {
  const MNT_DETACH = 2;
  const UMOUNT_NOFOLLOW = 8;
  checked(
    call(SYS.umount2, pathAt(path, "umount2"), (lazy ? MNT_DETACH : 0) | UMOUNT_NOFOLLOW),
    "umount2",
    path,
  );
}

/** A pipe, close-on-exec, with as much room as an ordinary user may ask for: its ends need not take turns. */
export function pipe(): { read: number; write: number } {
  const O_CLOEXEC = 0o2000000;
  const F_SETPIPE_SZ = 1031;
  const ends = new Int32Array(2);
  checked(call(SYS.pipe2, ptr(ends), O_CLOEXEC), "pipe2");
  const [read = -1, write = -1] = ends;
  call(SYS.fcntl, write, F_SETPIPE_SZ, 1 << 20); // refused where the user has many: it stays as it is
  return { read, write };
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

/** A descriptor that is readable when a file in `directory` is written, made or renamed, inotify(7). Reads on it never wait. */
export function watchDirectory(directory: string): number {
  const IN_CLOEXEC_NONBLOCK = 0o2000000 | 0o4000;
  const IN_MODIFY_MOVED_CREATE = 0x2 | 0x40 | 0x80 | 0x100;
  const fd = checked(call(SYS.inotify_init1, IN_CLOEXEC_NONBLOCK), "inotify_init1");
  const watch = call(
    SYS.inotify_add_watch,
    fd,
    pathAt(directory, "inotify_add_watch"),
    IN_MODIFY_MOVED_CREATE,
  );
  if (watch >= 0) return fd;
  call(SYS.close, fd);
  throw errorOf(watch, "inotify_add_watch", directory);
}

/** Take what a descriptor of watchDirectory() has to tell: it is readable again at the next change. */
export function forgetChanges(fd: number): void {
  const events = new Uint8Array(4096);
  while (call(SYS.read, fd, ptr(events), events.length) > 0);
}

/** Wait until all that has been written to the file system of `fd` is on its disk, syncfs(2). */
export function syncFileSystem(fd: number): void {
  checked(call(SYS.syncfs, fd), "syncfs");
}

const FIRST_BYTES = 16 << 10;
let room = new Uint8Array(0);
const texts = new TextDecoder();

/**
 * The text of a file that one read which has the room gets all of, null where it cannot be read: those of the runtime directory, and of /proc. Of a list there
 * are hundreds: no errors are made, and each costs three system calls.
 */
export function readAtOnce(path: string): string | null {
  const O_CLOEXEC = 0o2000000;
  for (let wanted = FIRST_BYTES; ; wanted *= 4) {
    if (room.length < wanted) room = new Uint8Array(wanted);
    const fd = call(SYS.openat, AT_FDCWD, pathAt(path, "open"), O_CLOEXEC);
    if (fd < 0) return null;
    const n = call(SYS.read, fd, ptr(room), room.length);
    call(SYS.close, fd);
    if (n < 0) return null;
    if (n < room.length) return texts.decode(room.subarray(0, n));
  }
}

const O_CLOEXEC_DIRECTORY = 0o2000000 | (process.arch === "x64" ? 0o200000 : 0o40000);

/** Whether another process holds flock(LOCK_EX) on the directory at `path`: false also where nothing is there. */
export function isDirectoryLocked(path: string): boolean {
  const ENOENT = 2;
  const fd = call(SYS.openat, AT_FDCWD, pathAt(path, "open"), O_CLOEXEC_DIRECTORY);
  if (fd === -ENOENT) return false;
  checked(fd, "open", path);
  try {
    return !flock(fd, LOCK_SH | LOCK_NB);
  } finally {
    call(SYS.close, fd);
  }
}

/** The number of the kind of file system at `path`, statfs(2); 0 where nothing is. */
export function fileSystemKind(path: string): number {
  const status = new Uint32Array(32); // struct statfs: its first member, of 64 bits, is the kind
  return call(SYS.statfs, pathAt(path, "statfs"), ptr(status)) < 0 ? 0 : (status[0] ?? 0);
}

/** The value of an extended attribute of `path` itself (never of a link's target); null where there is none. */
export function lgetxattr(path: string, name: string): Buffer | null {
  const value = new Uint8Array(256);
  const [at, named] = [pathAt(path, "lgetxattr", 0), pathAt(name, "lgetxattr", 1)];
  const n = call(SYS.lgetxattr, at, named, ptr(value), value.length);
  if (n === -ENODATA || n === -EOPNOTSUPP) return null;
  return Buffer.from(value.buffer, 0, checked(n, "lgetxattr", path));
}

/**
 * Open `path` inside the directory `root` as if that were `/`: no link and no `..` leads out, openat2(2). Read-only; or only as a place, which
 * opens no device and no pipe.
 */
export function openInRoot(root: number, path: string, asPlace = false): number {
  const O_RDONLY_CLOEXEC_NONBLOCK_NOCTTY = 0o2000000 | 0o4000 | 0o400;
  const O_PATH_CLOEXEC = 0o10000000 | 0o2000000;
  const RESOLVE_IN_ROOT = 0x10;
  const RESOLVE_NO_MAGICLINKS = 0x02;
  // struct open_how: flags, mode, resolve, each of 64 bits
  const how = new Uint32Array([
    asPlace ? O_PATH_CLOEXEC : O_RDONLY_CLOEXEC_NONBLOCK_NOCTTY,
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

/** What a directory says of an entry without a look at it, d_type of readdir(3); some file systems say nothing. */
export type EntryType = "directory" | "file" | "link" | "character" | "other" | "unknown";

const TYPES: readonly EntryType[] = [
  "unknown",
  "other",
  "character",
  "other",
  "directory",
  "other",
  "other",
  "other",
  "file",
  "other",
  "link",
];

const isStrange = /[^\x20-\x7e]/; // made once: of a thousand names each would make another
const DIRECTORY_READ_BYTES = 32 << 10;

/** The entries of an open directory. struct linux_dirent64, getdents64(2): record length at 16, type at 18, the name, ended by NUL, at 19. */
export function entriesOf(directory: number): { name: string; type: EntryType }[] {
  const entries: { name: string; type: EntryType }[] = [];
  const bytes = new Uint8Array(DIRECTORY_READ_BYTES);
  const decoder = new TextDecoder();
  const bytewise = new TextDecoder("latin1"); // a character a byte: of a thousand names each would cost a call
  for (;;) {
    const n = checked(call(SYS.getdents64, directory, ptr(bytes), bytes.length), "getdents64");
    if (n === 0) return entries;
    const text = bytewise.decode(bytes.subarray(0, n));
    for (let at = 0; at < n; at += (bytes[at + 16] ?? 0) | ((bytes[at + 17] ?? 0) << 8)) {
      const end = text.indexOf("\0", at + 19);
      let name = text.substring(at + 19, end);
      if (isStrange.test(name)) name = decoder.decode(bytes.subarray(at + 19, end));
      if (name !== "." && name !== "..") entries.push({ name, type: TYPES[bytes[at + 18] ?? 0] ?? "other" });
    }
  }
}

/** The entries of the directory at `path`. Throws the system's error where it cannot be opened or read. */
export function entriesAt(path: string): { name: string; type: EntryType }[] {
  const fd = checked(call(SYS.openat, AT_FDCWD, pathAt(path, "open"), O_CLOEXEC_DIRECTORY), "open", path);
  try {
    return entriesOf(fd);
  } finally {
    call(SYS.close, fd);
  }
}
