/** Running `dist/proa` in a sandbox. */
import { afterAll, beforeAll, expect } from "bun:test";
import { type Pty, startPty } from "./pty";
import { createSandbox, leftIn, proaPath, processesOf, removeSandbox, type Sandbox } from "./sandbox";
import { waitUntil } from "./wait";

export type ProaOptions = {
  /** What it reads from stdin; nothing (end of file at once) when absent. */
  stdin?: string | Uint8Array;
  /** Added to the sandbox's environment; undefined removes a variable. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** The process is killed and the call fails after this time. Default: 30,000. */
  timeoutMs?: number;
};

export type ProaResult = {
  stdout: string;
  stderr: string;
  /** 128 + N where it was killed by signal N, as a shell has it. */
  exitCode: number;
  bytes: { stdout: Uint8Array; stderr: Uint8Array };
};

/** A command that goes on while the test does something. Ended with the engine. */
export type Background = Bun.Subprocess<"pipe", "pipe", "pipe">;

export type Engine = {
  readonly sandbox: Sandbox;
  /** Run a command to its end. */
  proa(args: readonly string[], options?: ProaOptions): Promise<ProaResult>;
  /** Run a command that has to succeed; returns stdout without the last newline. Fails with stderr otherwise. */
  ok(args: readonly string[], options?: ProaOptions): Promise<string>;
  /** Start a command with pipes on all three. */
  start(args: readonly string[], options?: Omit<ProaOptions, "stdin" | "timeoutMs">): Background;
  /** Start a command on a terminal. */
  pty(args: readonly string[], options?: PtyOptions): Pty;
  /** Fail unless the engine left no process, mount, run directory or unfinished layer. Waits up to two seconds for what
   * is ending. After dispose(): what it found. */
  assertNothingLeft(): Promise<void>;
  dispose(): Promise<void>;
};

export type PtyOptions = {
  env?: Record<string, string | undefined>;
  cwd?: string;
  cols?: number;
  rows?: number;
};

export function createEngine(): Engine {
  const sandbox = createSandbox();
  const children = new Set<{ kill(signal: NodeJS.Signals): void; exited: Promise<unknown> }>();
  const keep = <T extends { kill(signal: NodeJS.Signals): void; exited: Promise<unknown> }>(child: T): T => {
    children.add(child);
    void child.exited.then(() => children.delete(child));
    return child;
  };
  const environment = (extra: Record<string, string | undefined> = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries({ ...sandbox.env, ...extra }).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      ),
    );

  /** What is left after up to two seconds for what is ending. */
  const whatIsLeft = async (isAsserted: boolean): Promise<string[]> => {
    const since = performance.now();
    for (;;) {
      const left = leftIn(sandbox);
      // what ends by itself is waited for; containers and commands that a test has left to dispose() do not
      const isKept = !isAsserted && (children.size > 0 || left.some((line) => line.startsWith("directory ")));
      if (left.length === 0 || performance.now() - since > (isKept ? 2_000 : 20_000)) return left;
      await Bun.sleep(20);
    }
  };
  let leftAtEnd: string[] | undefined; // before dispose() ended and removed it

  const proa = async (args: readonly string[], options: ProaOptions = {}): Promise<ProaResult> => {
    const child = keep(
      Bun.spawn([proaPath, ...args], {
        env: environment(options.env),
        cwd: options.cwd ?? sandbox.home,
        stdin: options.stdin === undefined ? "ignore" : Buffer.from(options.stdin),
        stdout: "pipe",
        stderr: "pipe",
      }),
    );
    const timeoutMs = options.timeoutMs ?? 30_000;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    const [stdout, stderr, exitCode] = await Promise.all([
      child.stdout.bytes(),
      child.stderr.bytes(),
      child.exited,
    ]);
    clearTimeout(timer);
    const text = { stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
    if (isLate)
      throw new Error(`proa ${args.join(" ")}: not done after ${timeoutMs} ms: ${text.stdout}${text.stderr}`);
    return { ...text, exitCode, bytes: { stdout, stderr } };
  };

  return {
    sandbox,
    proa,
    async ok(args, options) {
      const result = await proa(args, options);
      if (result.exitCode !== 0) {
        throw new Error(
          `proa ${args.join(" ")}: exit status ${result.exitCode}: ${result.stderr || result.stdout}`,
        );
      }
      return result.stdout.replace(/\n$/, "");
    },
    start: (args, options = {}) =>
      keep(
        Bun.spawn([proaPath, ...args], {
          env: environment(options.env),
          cwd: options.cwd ?? sandbox.home,
          stdio: ["pipe", "pipe", "pipe"],
        }),
      ),
    pty: (args, options = {}) =>
      keep(
        startPty([proaPath, ...args], {
          ...options,
          env: environment(options.env),
          cwd: options.cwd ?? sandbox.home,
        }),
      ),
    async assertNothingLeft() {
      expect(leftAtEnd ?? (await whatIsLeft(true))).toEqual([]);
    },
    async dispose() {
      leftAtEnd ??= await whatIsLeft(false);
      for (const child of children) child.kill("SIGKILL");
      for (const { pid } of processesOf(sandbox)) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // it ended by itself
        }
      }
      await waitUntil(() => processesOf(sandbox).length === 0, { timeoutMs: 5_000 }).catch(() => undefined);
      removeSandbox(sandbox);
    },
  };
}

/** An engine for the tests of a file: made before the first, removed after the last. Called at the top level of the file or of a `describe`. */
export function useEngine(): Engine {
  let engine: Engine | undefined;
  beforeAll(() => {
    engine = createEngine();
  });
  afterAll(async () => {
    await engine?.dispose(); // runs before the file's own afterAll hooks: assertNothingLeft() in those tells of the time before
  });
  const ready = (): Engine => {
    if (engine === undefined) throw new Error("useEngine() is ready inside tests and hooks only");
    return engine;
  };
  return {
    get sandbox() {
      return ready().sandbox;
    },
    proa: (args, options) => ready().proa(args, options),
    ok: (args, options) => ready().ok(args, options),
    start: (args, options) => ready().start(args, options),
    pty: (args, options) => ready().pty(args, options),
    assertNothingLeft: () => ready().assertNothingLeft(),
    dispose: async () => {
      await engine?.dispose();
      engine = undefined;
    },
  };
}
