/** Driving the C helper's run, attach and exec by hand-made bundles, with no TypeScript of proa's between. */

import { expect } from "bun:test";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { hostMappings } from "../../src/helper/mappings";
import type { Attach, ExitRecord, LifeRequests, RunRequest, StateRecord } from "../../src/helper/protocol";
import { flock, LOCK_EX, LOCK_NB, LOCK_SH, memfdCreate } from "../../src/helper/syscalls";
import { waitUntil } from "../harness/wait";

export const helperPath = resolve(
  process.env["PROA_HELPER"] ?? join(import.meta.dir, "../../native/build/proa-helper"),
);

const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));

/** Why these tests cannot run here, or undefined. */
export const helperMissing = !existsSync(helperPath)
  ? `no helper at ${helperPath}: make -C native`
  : busybox === undefined
    ? "no busybox: package busybox-static"
    : undefined;

export type Settings = {
  terminal?: boolean;
  stdin?: boolean;
  stdinOnce?: boolean;
  /** null: detached. */
  attach?: Partial<Attach> | null;
  printId?: boolean;
  log?: Partial<NonNullable<RunRequest["log"]>> | null;
  /** Where its events go. */
  journal?: RunRequest["journal"];
  /** As with --rm: the bundle's directory is removed, exit.json is in it. */
  remove?: boolean;
  /** Takes the directories of this container, which has ended. */
  after?: Container;
  /** Uid and gid in the container. */
  user?: number;
  /** Whether it is started again, and how long it may run. */
  life?: LifeRequests;
  /** Its control group, and `linux.resources`. */
  cgroup?: RunRequest["cgroup"];
  resources?: object;
  /** Length of a directory name put into the run directory's path. */
  longPath?: number;
};

const directories: string[] = [];

/** A directory with busybox and a link for each of its programs. */
function makeRootfs(path: string): void {
  for (const name of ["bin", "proc", "dev", "tmp", "sys"]) mkdirSync(join(path, name), { recursive: true });
  copyFileSync(busybox ?? "", join(path, "bin/busybox"));
  chmodSync(join(path, "bin/busybox"), 0o755);
  const programs =
    "sh cat sleep echo printf head tail wc yes stty kill tr sed grep seq mkdir true false sha256sum dd ls chmod touch";
  for (const program of programs.split(" ")) symlinkSync("busybox", join(path, "bin", program));
}

export function makeDirectory(): string {
  const path = mkdtempSync(join(process.env["PROA_TEST_TMP"] ?? tmpdir(), "n-"));
  chmodSync(path, 0o711);
  directories.push(path);
  return path;
}

export function removeDirectories(): void {
  for (const path of directories.splice(0)) {
    const script = 'chmod -R u+rwX "$1" 2>/dev/null; rm -rf "$1"';
    Bun.spawnSync(["sh", "-c", script, "sh", path]);
    if (existsSync(path)) Bun.spawnSync(["unshare", "--map-root-user", "--map-auto", "rm", "-rf", path]);
  }
}

/** The request of a verb, in a descriptor. */
function requestFd(request: unknown): number {
  const fd = memfdCreate("request");
  const bytes = Buffer.from(JSON.stringify(request));
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  return fd;
}

export type Stdio = "pipe" | "ignore" | number;
type Started = Bun.Subprocess<"pipe", "pipe", "pipe">;

export type Screen = {
  readonly child: Bun.Subprocess;
  readonly output: string;
  readonly terminal: Bun.Terminal;
  readonly exited: Promise<number>;
};

export class Container {
  readonly directory: string;
  readonly id = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
  readonly runDir: string;
  readonly bundle: string;
  readonly exitFile: string;
  readonly logPath: string;
  readonly attach: Attach;
  readonly #lockFd: number;
  readonly #request: RunRequest;

  constructor(
    args: string[],
    readonly settings: Settings = {},
  ) {
    const { terminal = false, stdin = true, longPath = 0, log = {} } = settings;
    this.directory = settings.after?.directory ?? makeDirectory();
    this.runDir = join(this.directory, "r".repeat(longPath || 1), "run");
    this.bundle = join(this.directory, "bundle");
    this.exitFile = join(settings.remove ? this.bundle : this.directory, "exit.json");
    this.logPath = log?.path ?? join(this.directory, "log");
    this.attach = {
      stdin,
      stdout: true,
      stderr: true,
      detachKeys: [16, 17],
      sigProxy: true,
      ...settings.attach,
    };
    if (!settings.after) {
      mkdirSync(this.runDir, { recursive: true, mode: 0o700 });
      mkdirSync(this.bundle);
      makeRootfs(join(this.directory, "rootfs"));
      mkdirSync(join(this.bundle, "rootfs"));
    }
    writeFileSync(
      join(this.bundle, "config.json"),
      JSON.stringify(configOf(args, terminal, settings.user ?? 0, settings.resources)),
    );
    this.#lockFd = openSync(this.runDir, "r");
    flock(this.#lockFd, LOCK_EX | LOCK_NB);
    this.#request = {
      id: this.id,
      proa: "/bin/echo", // "executes PROA __report VERB FACTS": printed, for the test to read
      bundle: this.bundle,
      runDir: this.runDir,
      lockFd: 3,
      rootfs: { driver: "plain", path: join(this.directory, "rootfs") },
      runtime: null,
      log:
        log === null
          ? null
          : { driver: "json-file", path: this.logPath, maxSizeBytes: 0, maxFiles: 1, ...log },
      stdin,
      stdinOnce: settings.stdinOnce ?? true,
      attach: settings.attach === null ? null : this.attach,
      printId: settings.printId ?? false,
      remove: settings.remove ? [this.bundle] : [],
      exitFile: this.exitFile,
      seccompCache: null,
      ...settings.life,
      ...(settings.journal ? { journal: settings.journal } : {}),
      ...(settings.cgroup ? { cgroup: settings.cgroup } : {}),
    };
  }

  /** `run` with pipes, or what is given instead. */
  run(stdio: [Stdio, Stdio, Stdio] = ["pipe", "pipe", "pipe"], wrap: string[] = []): Started {
    const fd = requestFd(this.#request);
    const child = Bun.spawn([...wrap, helperPath, "run", "4"], { stdio: [...stdio, this.#lockFd, fd] });
    closeSync(fd);
    closeSync(this.#lockFd);
    return child as Started;
  }

  /** `run` on a terminal. */
  runOnTerminal(size: { cols: number; rows: number } = { cols: 80, rows: 24 }): Screen {
    const fd = requestFd(this.#request);
    const screen = onTerminal([helperPath, "run", "4"], [this.#lockFd, fd], size);
    closeSync(fd);
    closeSync(this.#lockFd);
    return screen;
  }

  #attachRequest() {
    return {
      proa: "/bin/echo",
      runDir: this.runDir,
      attach: this.attach,
      terminal: this.settings.terminal ?? false,
    };
  }

  attachTo(stdio: [Stdio, Stdio, Stdio] = ["pipe", "pipe", "pipe"]): Started {
    const fd = requestFd(this.#attachRequest());
    const child = Bun.spawn([helperPath, "attach", "3"], { stdio: [...stdio, fd] });
    closeSync(fd);
    return child as Started;
  }

  attachOnTerminal(): Screen {
    const fd = requestFd(this.#attachRequest());
    const screen = onTerminal([helperPath, "attach", "3"], [fd], { cols: 80, rows: 24 });
    closeSync(fd);
    return screen;
  }

  #execRequest(args: string[], terminal: boolean, detach: boolean) {
    const process = { ...processOf(args, terminal) };
    const attach = detach ? null : this.attach;
    return {
      proa: "/bin/echo",
      runDir: this.runDir,
      bundle: this.bundle,
      process,
      stdin: true,
      detach,
      attach,
      seccompCache: null,
    };
  }

  exec(args: string[], options: { detach?: boolean; stdio?: [Stdio, Stdio, Stdio] } = {}): Started {
    const fd = requestFd(this.#execRequest(args, false, options.detach ?? false));
    const stdio = options.stdio ?? ["pipe", "pipe", "pipe"];
    const child = Bun.spawn([helperPath, "exec", "3"], { stdio: [...stdio, fd] });
    closeSync(fd);
    return child as Started;
  }

  execOnTerminal(args: string[]): Screen {
    const fd = requestFd(this.#execRequest(args, true, false));
    const screen = onTerminal([helperPath, "exec", "3"], [fd], { cols: 80, rows: 24 });
    closeSync(fd);
    return screen;
  }

  get state(): StateRecord {
    return JSON.parse(readFileSync(join(this.runDir, "state.json"), "utf8"));
  }

  get isStarted(): boolean {
    return existsSync(join(this.runDir, "state.json"));
  }

  get exit(): ExitRecord {
    return JSON.parse(readFileSync(this.exitFile, "utf8"));
  }

  get log(): { log: string; stream: string; time: string }[] {
    return readLog(this.logPath);
  }

  /** True while a supervisor holds the lock. */
  get isLocked(): boolean {
    const fd = openSync(this.runDir, "r");
    try {
      return !flock(fd, LOCK_SH | LOCK_NB);
    } finally {
      closeSync(fd);
    }
  }

  /** The pid of the supervisor, the parent of the container's first process. */
  get supervisor(): number {
    let pid = this.state.pid;
    while (!readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("proa-supervise")) {
      pid = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    }
    return pid;
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    try {
      process.kill(this.state.pid, signal);
    } catch {
      // gone by itself
    }
  }
}

export function readLog(path: string): { log: string; stream: string; time: string }[] {
  return readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

function onTerminal(command: string[], fds: number[], size: { cols: number; rows: number }): Screen {
  const decoder = new TextDecoder();
  let output = "";
  // made by spawn() itself, so that it is the child's controlling terminal
  const child = Bun.spawn(command, {
    terminal: {
      ...size,
      data(_terminal, data) {
        output += decoder.decode(data, { stream: true });
      },
    },
    stdio: [undefined, undefined, undefined, ...fds] as never,
  });
  const { terminal } = child;
  if (terminal === undefined) throw new Error("no terminal could be made");
  return {
    child,
    terminal,
    exited: child.exited,
    get output() {
      return output;
    },
  };
}

function processOf(args: string[], terminal: boolean) {
  const capabilities = ["CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE"];
  return {
    terminal,
    user: { uid: 0, gid: 0 },
    args,
    env: ["PATH=/bin:/usr/bin", "TERM=xterm"],
    cwd: "/",
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    noNewPrivileges: true,
  };
}

function configOf(args: string[], terminal: boolean, user: number, resources?: object) {
  const { mappings } = hostMappings();
  return {
    ociVersion: "1.2.0",
    process: { ...processOf(args, terminal), user: { uid: user, gid: user } },
    root: { path: "rootfs", readonly: false },
    hostname: "test",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
      {
        destination: "/dev",
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
      },
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
      },
    ],
    linux: {
      uidMappings: mappings.uid,
      gidMappings: mappings.gid,
      namespaces: ["user", "mount", "pid", "ipc", "uts", "network"].map((type) => ({ type })),
      ...(resources ? { resources } : {}),
    },
  };
}

export const text = (stream: ReadableStream): Promise<string> => new Response(stream).text();

/** Run to the end. */
export async function run(args: string[], settings: Settings = {}, input: string | Uint8Array = "") {
  const container = new Container(args, settings);
  const child = container.run();
  child.stdin.write(input);
  await child.stdin.end();
  const [stdout, stderr, exitCode] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    child.exited,
  ]);
  return { container, stdout, stderr, exitCode };
}

/** Start detached and wait until it runs. */
export async function start(args: string[], settings: Settings = {}): Promise<Container> {
  const container = new Container(args, { attach: null, ...settings });
  const child = container.run(["ignore", "pipe", "pipe"]);
  expect(await text(child.stdout)).toBe("");
  expect(await child.exited).toBe(0);
  return container;
}

/** Wait until something was printed; fails as soon as the program has ended without it. */
export const printed = (screen: Screen, pattern: RegExp | string) =>
  waitUntil(() => {
    if (typeof pattern === "string" ? screen.output.includes(pattern) : pattern.test(screen.output))
      return true;
    if (screen.child.exitCode === null) return false;
    throw new Error(`no ${pattern} in ${JSON.stringify(screen.output.slice(-500))}`);
  });

export const ended = (container: Container) => waitUntil(() => !container.isLocked, { what: "the end" });

/** A frame of the attach protocol. */
export function frame(type: number, payload: Uint8Array | string = ""): Buffer {
  const body = typeof payload === "string" ? Buffer.from(payload) : payload;
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

export function frames(bytes: Buffer): { type: number; payload: Buffer }[] {
  const found = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    found.push({ type: bytes[at] ?? -1, payload: bytes.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return found;
}

/** A client that speaks the protocol by hand. */
export async function rawClient(
  container: Container,
): Promise<{ socket: Socket; bytes: () => Buffer; closed: Promise<void> }> {
  const chunks: Buffer[] = [];
  const socket = connect(join(container.runDir, "attach.sock"));
  const closed = new Promise<void>((done) => socket.once("close", () => done()));
  socket.on("error", () => {});
  socket.on("data", (chunk) => chunks.push(Buffer.from(chunk)));
  await new Promise<void>((done) => socket.once("connect", () => done()));
  return { socket, bytes: () => Buffer.concat(chunks), closed };
}
