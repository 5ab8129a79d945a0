import { fstatSync, writeSync } from "node:fs";

/**
 * The streams of a command. Writing is synchronous and complete: what was written is with the kernel when `write` returns,
 * so that nothing is lost at exit and a slow reader slows the writer down. `process.stdout` is not used: making it costs 12 ms
 * in a compiled executable, `node:tty` 6, `process.getBuiltinModule` 2.5. `Bun.write(Bun.stdout)` is not used either: appending to a
 * file (`>>`) it writes at the wrong offset.
 */

/** Downstream closed its end of the pipe. Nobody reads what is written any more: a quiet end, no failure. */
export class BrokenPipe extends Error {
  override name = "BrokenPipe";
  constructor() {
    super("broken pipe");
  }
}

export type OutStream = {
  readonly isTTY: boolean;
  /** Width of the terminal now; undefined where there is none. */
  readonly columns: number | undefined;
  /** Height of the terminal now; undefined where there is none. */
  readonly rows: number | undefined;
  /** What --color says; absent: what stream and environment say. */
  colour?: "auto" | "always" | "never";
  /** Write everything. Throws `BrokenPipe`, or the system's error (ENOSPC). */
  write(data: string | Uint8Array): void;
};

export type InStream = {
  readonly isTTY: boolean;
  /** The descriptor, for those who read it themselves. */
  readonly fd: number;
};

export type Env = Readonly<Record<string, string | undefined>>;

export type Io = {
  readonly stdin: InStream;
  /** Results. */
  readonly stdout: OutStream;
  /** Everything else: messages, warnings, progress. Never throws `BrokenPipe`: work goes on when nobody follows it. */
  readonly stderr: OutStream;
  readonly env: Env;
};

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

function writeAll(fd: number, data: string | Uint8Array): void {
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

/** @param lossy nobody reading is no reason to stop: what is written then is dropped */
function outStream(fd: number, env: Env, lossy = false): OutStream {
  let terminal: boolean | undefined;
  const isTTY = () => {
    terminal ??= isTerminal(fd);
    return terminal;
  };
  const size = () => (isTTY() ? terminalSize(fd, env) : undefined);
  return {
    get isTTY() {
      return isTTY();
    },
    get columns() {
      return size()?.columns;
    },
    get rows() {
      return size()?.rows;
    },
    write(data) {
      try {
        writeAll(fd, data);
      } catch (error) {
        if (!(lossy && error instanceof BrokenPipe)) throw error;
      }
    },
  };
}

type Size = { columns: number; rows: number };

/** The size of the terminal at `fd`, asked anew each time so that a resize needs no signal. */
function terminalSize(fd: number, env: Env): Size {
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

/** The streams of this process. */
export function processIo(): Io {
  const env: Env = process.env;
  let stdinTerminal: boolean | undefined;
  return {
    stdin: {
      fd: 0,
      get isTTY() {
        stdinTerminal ??= isTerminal(0);
        return stdinTerminal;
      },
    },
    stdout: outStream(1, env),
    stderr: outStream(2, env, true),
    env,
  };
}

/** Streams that remember, for tests. */
export type TestIo = Io & { readonly out: string; readonly err: string };

export type TestIoOptions = {
  env?: Env;
  stdinIsTTY?: boolean;
  /** Columns of the terminal on stdout and stderr; absent: pipes. */
  columns?: number;
  rows?: number;
  /** Throw `BrokenPipe` once this many bytes were written to stdout. */
  breakAfter?: number;
};

export function testIo(options: TestIoOptions = {}): TestIo {
  const written = { out: "", err: "" };
  const stream = (which: "out" | "err"): OutStream => ({
    isTTY: options.columns !== undefined,
    columns: options.columns,
    rows: options.columns === undefined ? undefined : (options.rows ?? 24),
    write(data) {
      const text = typeof data === "string" ? data : Buffer.from(data).toString();
      if (which === "out" && written.out.length + text.length > (options.breakAfter ?? Infinity))
        throw new BrokenPipe();
      written[which] += text;
    },
  });
  return {
    stdin: { isTTY: options.stdinIsTTY ?? false, fd: 0 },
    stdout: stream("out"),
    stderr: stream("err"),
    env: options.env ?? {},
    get out() {
      return written.out;
    },
    get err() {
      return written.err;
    },
  };
}
