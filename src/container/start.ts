/**
 * Starting a container: the bundle is written, the lock taken, the row committed, and then this process becomes the helper. The order
 * matters: a reader who finds the row "running" finds the lock held, from here to the supervisor's end.
 */
import { closeSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { type Attach, becomeHelper, type LogTarget, type RunRequest, spawnRun } from "../helper";
import { type ContainerSpec, encodeConfig, parseBytes, runtimeConfig } from "../oci";
import { type ContainerRow, type Context, makePrivateDirectory, markRunning } from "../state";
import { prepareRootfs, type RootSource } from "../storage";
import { checkNew, type NewContainer, record, withHostname } from "./create";
import { maxOpenFiles } from "./limits";
import { lockContainer } from "./lock";
import { randomId } from "./name";
import { type NetworkRequests, type NetworkStart, networkFor, withNetworkOwner } from "./network";
import {
  containerDirectory,
  exitFile,
  logFile,
  networkPlanFile,
  ownExecutable,
  portsFile,
  runDirectory,
} from "./places";
import { runtimeProgram } from "./runtime";
import { SECCOMP_ANNOTATION } from "./seccomp-cache";
import { seccompFor } from "./security";
import { sweep } from "./settle";
import { noteUnfinished } from "./unfinished";
import { lookUpUser } from "./user";

/** How the caller takes part. `attach` null: detached. */
export type StartOptions = {
  attach: Attach | null;
  /** Print the id when it has started. */
  printId: boolean;
  consoleSize: { height: number; width: number } | undefined;
};

/** Create and start in one: the row is written once, as running. Does not return. */
export async function runContainer(
  context: Context,
  asked: NewContainer,
  source: RootSource,
  options: StartOptions,
  tellId: (id: string) => void = () => {},
): Promise<never> {
  checkNew(context, asked);
  await sweep(context); // a `--rm` container that has just ended may hold the name
  const id = randomId();
  const spec = await withNetworkOwner(context, withHostname(asked.spec, id));
  const request = await launch(context, id, spec, source, options, () => {
    tellId(id); // first: a container whose id cannot be told is not made
    return record(context, { ...asked, spec }, id, true).name;
  });
  becomeHelper(context.paths.cache, "run", request, [request.lockFd]);
}

/** Start a container that was created before, or has ended. Does not return. */
export async function startContainer(
  context: Context,
  row: ContainerRow,
  spec: ContainerSpec,
  source: RootSource,
  options: StartOptions,
): Promise<never> {
  const request = await relaunch(context, row, spec, source, options);
  becomeHelper(context.paths.cache, "run", request, [request.lockFd]);
}

/** Start a container in the background. Resolves with 0, or with the exit status of the failure, which has been reported. */
export async function startDetached(
  context: Context,
  row: ContainerRow,
  spec: ContainerSpec,
  source: RootSource,
): Promise<number> {
  const options = { attach: null, printId: false, consoleSize: undefined };
  const request = await relaunch(context, row, spec, source, options);
  try {
    return await spawnRun(context.paths.cache, request);
  } finally {
    closeSync(request.lockFd);
  }
}

function relaunch(
  context: Context,
  row: ContainerRow,
  spec: ContainerSpec,
  source: RootSource,
  options: StartOptions,
): Promise<RunRequest> {
  return launch(context, row.id, spec, source, options, () => {
    if (markRunning(context.db(), row.id, context.now())) return row.name;
    throw new EngineError("not-found", "start container", row.name, "it has just been removed", {
      exitCode: 1,
    });
  });
}

/**
 * Everything from the spec to the helper's request. `commit` writes the row and returns its name, when all else but what follows from its
 * addresses is in place; the lock is then held.
 */
async function launch(
  context: Context,
  id: string,
  asked: ContainerSpec,
  source: RootSource,
  options: StartOptions,
  commit: () => string,
): Promise<RunRequest> {
  const start = await networkFor(context, id, asked);
  const { spec } = start;
  const user = await lookUpUser(context, source, spec);
  const { seccomp, cache } = seccompFor(context, spec);
  const runtime = runtimeProgram(spec.HostConfig.Runtime);
  const log = logTarget(context, id, spec);

  const directory = containerDirectory(context, id);
  const isNew = !existsSync(directory);
  const unfinished = isNew ? noteUnfinished(context, id) : null;
  const lockFd = lockContainer(context, id);
  if (lockFd === null) {
    unfinished?.done();
    throw alreadyRunning(id);
  }
  try {
    makePrivateDirectory(join(directory, "rootfs"), context.uid);
    const rootfs = await prepareRootfs(context, source, directory, { volatile: spec.HostConfig.AutoRemove });
    const config = runtimeConfig({
      id,
      spec,
      user,
      mappings: context.host().mappings,
      network: start.namespace,
      files: start.files,
      maxOpenFiles: maxOpenFiles(),
      consoleSize: options.consoleSize,
    });
    makeBindSources(spec);
    if (seccomp) config.annotations[SECCOMP_ANNOTATION] = seccomp.digest;
    writeFileSync(join(directory, "config.json"), encodeConfig(config, seccomp), { mode: 0o600 });
    rmSync(exitFile(context, id), { force: true });
    // of a life before, which may have had other networks
    for (const path of [portsFile(context, id), networkPlanFile(context, id)]) rmSync(path, { force: true });
    const requests = connected(context, start, commit);
    unfinished?.done();
    return {
      id,
      proa: ownExecutable(),
      bundle: directory,
      runDir: runDirectory(context, id),
      lockFd,
      rootfs,
      runtime,
      log,
      stdin: spec.OpenStdin,
      stdinOnce: spec.StdinOnce,
      attach: options.attach,
      printId: options.printId,
      remove: spec.HostConfig.AutoRemove ? [directory] : [],
      exitFile: exitFile(context, id),
      seccompCache: cache,
      ...requests,
    };
  } catch (error) {
    // nothing has been mounted, and no file of a mapped id has been made yet
    if (isNew) rmSync(directory, { recursive: true, force: true });
    rmSync(runDirectory(context, id), { recursive: true, force: true });
    unfinished?.done();
    closeSync(lockFd);
    throw error;
  }
}

/** Row and addresses are committed together: no container runs without those that it is known by. */
function connected(context: Context, start: NetworkStart, commit: () => string): NetworkRequests {
  const both = context.db().transaction(() => start.connect(commit()));
  return both.immediate();
}

/** A source of `--volume` that is not there becomes a directory, as Docker has it. The binds have been checked. */
function makeBindSources(spec: ContainerSpec): void {
  for (const bind of spec.HostConfig.Binds) {
    const [source = ""] = bind.split(":");
    if (existsSync(source)) continue;
    try {
      mkdirSync(source, { recursive: true });
    } catch (error) {
      throw new EngineError("io", "create source of volume", source, error);
    }
  }
}

function alreadyRunning(id: string): EngineError {
  return new EngineError("already-running", "start container", id.slice(0, 12), "it is running", {
    exitCode: 1,
  });
}

function logTarget(context: Context, id: string, spec: ContainerSpec): LogTarget | null {
  const { Type, Config } = spec.HostConfig.LogConfig;
  if (Type === "none") return null;
  return {
    path: logFile(context, id),
    maxSizeBytes:
      Config["max-size"] === undefined ? 0 : parseBytes("log option max-size", Config["max-size"]),
    maxFiles: Config["max-file"] === undefined ? 1 : Number(Config["max-file"]),
  };
}
