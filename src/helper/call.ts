/** Starting the helper: the kinds of verbs of `native/PROTOCOL.md`. */
import { closeSync, writeSync } from "node:fs";
import { begun, EngineError, tracing } from "../error";
import { helperPath } from "./binary";
import { HelperError } from "./facts";
import type {
  AttachRequest,
  ChownTreeRequest,
  CopyTreeRequest,
  ExecRequest,
  Facts,
  Features,
  FeaturesRequest,
  LayerApplyReply,
  LayerApplyRequest,
  LayerDiffRequest,
  LayerShareRequest,
  LogsRequest,
  MembersRecord,
  MountRootRequest,
  NetdFeatures,
  NetdStatus,
  Packed,
  RemoveTreeRequest,
  RunRequest,
  TreeSizeRequest,
  UnshareRequest,
  UsageReply,
  UsageRequest,
} from "./protocol";
import { execve, keepOnExec, memfdCreate, pipe } from "./syscalls";

type Become = {
  run: RunRequest;
  attach: AttachRequest;
  logs: LogsRequest;
  exec: ExecRequest;
  unshare: UnshareRequest;
};

type Call = {
  "layer-apply": [LayerApplyRequest, LayerApplyReply];
  "layer-share": [LayerShareRequest, { files: number; bytes: number }];
  "remove-tree": [RemoveTreeRequest, Record<string, never>];
  "copy-tree": [CopyTreeRequest, Record<string, never>];
  "chown-tree": [ChownTreeRequest, Record<string, never>];
  "tree-size": [TreeSizeRequest, { sizeBytes: number }];
  usage: [UsageRequest, UsageReply];
  processes: [UsageRequest, UsageReply<MembersRecord>];
  "layer-diff": [LayerDiffRequest, Packed];
  "mount-root": [MountRootRequest, Record<string, never>];
  features: [FeaturesRequest, Features];
  "netd-probe": [Record<string, never>, { features: NetdFeatures; error: Facts | null }];
  /** Null where no netd runs. */
  "netd-status": [{ socket: string }, NetdStatus | null];
  "network-reload": [{ runDir: string }, Record<string, never>];
};

/** The request in a memfd: the helper reads it to its end and needs nobody to write at the same time. */
export function requestFd(request: object): number {
  const fd = memfdCreate("proa-request");
  const bytes = new TextEncoder().encode(JSON.stringify(request));
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  return fd;
}

/** Become the helper: this process is replaced, its pid, terminal and stdio stay. `keep`: descriptors named in the request. */
export function becomeHelper<V extends keyof Become>(
  cacheDir: string,
  verb: V,
  request: Become[V],
  keep: number[] = [],
): never {
  const path = helperPath(cacheDir);
  const fd = requestFd(request);
  try {
    for (const kept of [fd, ...keep]) keepOnExec(kept);
    tracing.hear?.("debug", `helper ${verb}: process ${process.pid} becomes it`);
    execve(path, [`proa-${verb}`, verb, String(fd)], withoutBun());
  } catch (error) {
    throw new EngineError("helper", "start helper", path, error);
  }
}

/** Open as long as that goes on. */
let hastening: number | undefined;

/**
 * Have the kernel begin what makes a move into a control group wait (`native/cgroup_hasten.c`), while a start has other things to do: until this process ends, or is
 * another program.
 */
export function hastenGroups(cacheDir: string): void {
  const { read, write } = pipe(); // the other end is closed by execve
  if (hastening !== undefined) closeSync(hastening);
  hastening = write;
  try {
    // waited for, as the program that this one becomes does not: it leaves the work to a child at once
    Bun.spawnSync([helperPath(cacheDir), "hasten"], {
      argv0: "proa-hasten",
      env: {},
      stdio: [read, "ignore", "ignore"],
    });
  } catch {
    // the start takes longer, or says itself what is wrong
  } finally {
    closeSync(read);
  }
}

/**
 * Start the verb `run` beside this process, for several containers in one command: resolves with its exit status when the container has
 * started (0), or when the failure has been reported on stderr. `lockFd` stays the caller's to close.
 */
export async function spawnRun(cacheDir: string, request: RunRequest): Promise<number> {
  const path = helperPath(cacheDir);
  const LOCK_FD = 4;
  const fd = requestFd({ ...request, lockFd: LOCK_FD });
  const done = begun("debug", "helper run");
  try {
    const child = Bun.spawn([path, "run", "3"], {
      argv0: "proa-run",
      env: withoutBun(),
      stdio: ["ignore", "inherit", "inherit", fd, request.lockFd],
    });
    const status = await child.exited;
    done?.(`status ${status}`);
    return status;
  } finally {
    closeSync(fd);
  }
}

/** BUN_OPTIONS and BUN_BE_BUN act on every compiled executable: the helper may execute one. */
export function withoutBun(): Record<string, string | undefined> {
  const { BUN_OPTIONS: _options, BUN_BE_BUN: _be, ...env } = process.env;
  return env;
}

/** Run a command as root of the user namespace, beside this process: resolves with its exit status. */
export async function runMapped(cacheDir: string, request: UnshareRequest): Promise<number> {
  const fd = requestFd(request);
  const done = begun("debug", "helper unshare");
  try {
    const child = Bun.spawn([helperPath(cacheDir), "unshare", "3"], {
      argv0: "proa-unshare",
      env: withoutBun(),
      stdio: ["ignore", "inherit", "inherit", fd],
    });
    const status = await child.exited;
    done?.(`status ${status}`);
    return status;
  } finally {
    closeSync(fd);
  }
}

/** A helper at work: `stdin` takes the stream of verbs that read one, `reply` resolves with the answer or throws HelperError. */
export type Running<R> = {
  stdin: Bun.FileSink | undefined;
  reply: Promise<R>;
  kill(): void;
};

/** Start a called verb. With `stdin: "pipe"` the caller writes to `stdin` and ends it. */
export function startHelper<V extends keyof Call>(
  cacheDir: string,
  verb: V,
  request: Call[V][0],
  options: { stdin?: "pipe" | "ignore" | number; dataFd?: number } = {},
): Running<Call[V][1]> {
  const path = helperPath(cacheDir);
  const fd = requestFd(request);
  const done = begun("debug", `helper ${verb}`);
  const child = Bun.spawn([path, verb, "3"], {
    argv0: `proa-${verb}`,
    env: withoutBun(),
    stdio: [
      options.stdin ?? "ignore",
      "pipe",
      "inherit",
      fd,
      ...(options.dataFd === undefined ? [] : [options.dataFd]),
    ],
  });
  const reply = (async () => {
    const text = await new Response(child.stdout as ReadableStream).text();
    const status = await child.exited;
    done?.(`status ${status}`);
    return answer<Call[V][1]>(verb, text, child.signalCode);
  })();
  return {
    stdin: options.stdin === "pipe" ? (child.stdin as unknown as Bun.FileSink) : undefined,
    reply: reply.finally(() => closeSync(fd)),
    kill: () => child.kill("SIGKILL"),
  };
}

const DATA_FD = 4;

/** Call a verb that reads no stream, and wait for its answer. `dataFd` becomes the request's. Throws HelperError. */
export function callHelper<V extends keyof Call>(
  cacheDir: string,
  verb: V,
  request: Call[V][0],
  dataFd?: number,
): Promise<Call[V][1]> {
  const options = dataFd === undefined ? {} : { dataFd };
  return startHelper(
    cacheDir,
    verb,
    dataFd === undefined ? request : { ...request, dataFd: DATA_FD },
    options,
  ).reply;
}

function answer<R>(verb: string, text: string, signal: string | number | null): R {
  let message: { ok?: R; error?: Facts };
  try {
    message = JSON.parse(text);
  } catch (error) {
    throw new EngineError("helper", verb, "answer of the helper", signal ? `killed by ${signal}` : error);
  }
  if (message.error) throw new HelperError(verb, message.error);
  return message.ok as R;
}
