import { BrokenPipe } from "./broken-pipe";

/**
 * The streams of a command. Writing is synchronous and complete: what was written is with the kernel when `write` returns,
 * so that nothing is lost at exit and a slow reader slows the writer down. `process.stdout` is not used: making it costs 12 ms
 * in a compiled executable, `node:tty` 6, `process.getBuiltinModule` 2.5. `Bun.write(Bun.stdout)` is not used either: appending to a
 * file (`>>`) it writes at the wrong offset.
 */

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

/** What speaks to the kernel, loaded when it is first asked. */
function descriptors() {
  return require("./_descriptors") as typeof import("./_descriptors");
}

/** @param lossy nobody reading is no reason to stop: what is written then is dropped */
function outStream(fd: number, lossy = false): OutStream {
  let terminal: boolean | undefined;
  const isTTY = () => {
    terminal ??= descriptors().isTerminal(fd);
    return terminal;
  };
  const size = () => (isTTY() ? descriptors().terminalSize(fd, process.env) : undefined);
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
      // a message alone needs no more than what Bun has loaded; where colours are on it would paint it red
      if (fd === 2 && !Bun.enableANSIColors && typeof data === "string" && data.endsWith("\n")) {
        console.error(data.slice(0, -1));
        return;
      }
      try {
        descriptors().writeAll(fd, data);
      } catch (error) {
        if (!(lossy && error instanceof BrokenPipe)) throw error;
      }
    },
  };
}

/** The streams of this process. */
export function processIo(): Io {
  let stdinTerminal: boolean | undefined;
  return {
    stdin: {
      fd: 0,
      get isTTY() {
        stdinTerminal ??= descriptors().isTerminal(0);
        return stdinTerminal;
      },
    },
    stdout: outStream(1),
    stderr: outStream(2, true),
    get env(): Env {
      return process.env; // made at the first look
    },
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
