/** A program on a terminal of its own. */

export type Pty = {
  readonly pid: number;
  /** Everything it printed so far. */
  readonly output: string;
  write(data: string | Uint8Array): void;
  resize(cols: number, rows: number): void;
  /**
   * Wait until what was printed since the last `waitFor` matches, and return the match. Throws, with the output, after `timeoutMs`
   * (default 20,000) or when the program has ended without it.
   */
  waitFor(pattern: RegExp | string, timeoutMs?: number): Promise<string>;
  kill(signal?: NodeJS.Signals): void;
  /** Hang up: close the terminal's master. */
  hangUp(): void;
  /** The exit status; 128 + N where signal N killed it. */
  readonly exited: Promise<number>;
};

export type PtyStart = { env: Record<string, string>; cwd?: string; cols?: number; rows?: number };

export function startPty(command: readonly string[], options: PtyStart): Pty {
  const decoder = new TextDecoder();
  let output = "";
  let seen = 0; // where the next waitFor begins
  let isOver = false;
  let wake: (() => void) | undefined;

  const child = Bun.spawn([...command], {
    env: options.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    terminal: {
      cols: options.cols ?? 80,
      rows: options.rows ?? 24,
      data(_terminal, data) {
        output += decoder.decode(data, { stream: true });
        wake?.();
      },
    },
  });
  const terminal = child.terminal;
  if (terminal === undefined) throw new Error("no terminal could be made");
  void child.exited.then(async () => {
    await Bun.sleep(20); // what was printed last may still be in the terminal's buffer
    isOver = true;
    wake?.();
  });

  const match = (pattern: RegExp | string): string | undefined => {
    const fresh = output.slice(seen);
    if (typeof pattern === "string") {
      const at = fresh.indexOf(pattern);
      if (at < 0) return undefined;
      seen += at + pattern.length;
      return pattern;
    }
    const found = pattern.exec(fresh);
    if (!found) return undefined;
    seen += found.index + found[0].length;
    return found[0];
  };

  return {
    pid: child.pid,
    get output() {
      return output;
    },
    write(data) {
      terminal.write(data);
    },
    resize(cols, rows) {
      terminal.resize(cols, rows);
    },
    async waitFor(pattern, timeoutMs = 20_000) {
      const end = performance.now() + timeoutMs;
      for (;;) {
        const found = match(pattern);
        if (found !== undefined) return found;
        const leftMs = end - performance.now();
        if (isOver || leftMs <= 0) {
          const why = isOver ? "the program has ended" : `not within ${timeoutMs} ms`;
          throw new Error(`terminal: ${pattern}: ${why}; printed: ${JSON.stringify(output.slice(-2000))}`);
        }
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = setTimeout(resolve, leftMs);
        await promise;
        clearTimeout(timer);
      }
    },
    kill: (signal = "SIGTERM") => child.kill(signal),
    hangUp: () => terminal.close(),
    exited: child.exited,
  };
}
