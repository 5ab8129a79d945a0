import { fstatSync, writeSync } from "node:fs";
import { BrokenPipe } from "./broken-pipe";
import type { Env } from "./io";

/** What is asked of the descriptors that are streams (`io.ts`). */

/** Whether a descriptor is a terminal, without `node:tty` (6 ms) where its device number tells. */
export function isTerminal(fd: number): boolean {
  let device: number;
  try {
    const stat = fstatSync(fd);
    if (!stat.isCharacterDevice()) return false;
    device = stat.rdev;
  } catch {
    return false; // closed
  }
  const major = (device >>> 8) & 0xfff; // the low 20 bits of a Linux dev_t
  if (major === 1) return false; // /dev/null, /dev/zero …
  if (major === 4 || major === 5 || (major >= 136 && major <= 143)) return true; // tty, console, Unix98 ptys
  return (require("node:tty") as typeof import("node:tty")).isatty(fd);
}

/** Write everything. Throws `BrokenPipe`, or the system's error. */
export function writeAll(fd: number, data: string | Uint8Array): void {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") throw new BrokenPipe();
      if (code === "EINTR") continue;
      if (code !== "EAGAIN") throw error;
      Bun.sleepSync(1); // somebody made the pipe non-blocking; there is no poll(2) here
    }
  }
}

type Size = { columns: number; rows: number };

/** The size of the terminal at `fd`, asked anew each time so that a resize needs no signal. */
export function terminalSize(fd: number, env: Env): Size {
  const asked = new Uint16Array(4); // struct winsize: rows, columns, and pixels
  ioctl(fd, 0x5413, asked); // TIOCGWINSZ
  const [rows = 0, columns = 0] = asked;
  return { columns: columns || Number(env.COLUMNS) || 80, rows: rows || Number(env.LINES) || 24 };
}

let ioctlFunction: ((fd: number, request: number, argument: Uint16Array) => number) | undefined;

function ioctl(fd: number, request: number, argument: Uint16Array): number {
  if (ioctlFunction === undefined) {
    const ffi = require("bun:ffi") as typeof import("bun:ffi");
    const { symbols } = ffi.dlopen("libc.so.6", { ioctl: { args: ["int", "u64", "ptr"], returns: "int" } });
    ioctlFunction = symbols.ioctl as unknown as NonNullable<typeof ioctlFunction>;
  }
  return ioctlFunction(fd, request, argument);
}
