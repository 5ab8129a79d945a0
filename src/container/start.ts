/**
 * Starting a container: the bundle is written, the lock taken, the row committed, and then this process becomes the helper. The order
 * matters: a reader who finds the row "running" finds the lock held, from here to the supervisor's end.
 */
import { closeSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError, reasonOf } from "../error";
import {
  type Attach,
  becomeHelper,
  type CgroupRequest,
  type JournalRequest,
  type RunRequest,
  spawnRun,
} from "../helper";
import { type ContainerSpec, encodeConfig, type ResolvedUser, runtimeConfig } from "../oci";
import {
  type ContainerRow,
  type Context,
  makePrivateDirectory,
  markRunning,
  markStartFailed,
} from "../state";
import { prepareRootfs, type RootSource } from "../storage";
import { groupFor, hastenGroup } from "./cgroup";
import { checkNew, type NewContainer, record, withHostname } from "./create";
import { forgetIds, isolated, KEEP_GROUPS_ANNOTATION, pinNamespaces } from "./isolated";
import { journalRequest, tell } from "./journal";
import { lifeRequests } from "./life";
import { maxOpenFiles } from "./limits";
import { lockContainer } from "./lock";
import { checkLog, isPassedThrough, logTarget, passedThrough, withLogDefaults } from "./log-target";
import { mountPlanFor, mountsFor, noteVolumes, volumesIn } from "./mounted";
import { randomId } from "./name";
import { type NetworkRequests, type NetworkStart, networkFor, withNetworkOwner } from "./network";
import {
  containerDirectory,
  exitFile,
  liveFile,
  lossFile,
  nameFile,
  networkPlanFile,
  ownExecutable,
  placeFile,
  portsFile,
  rootfsFile,
  runDirectory,
} from "./places";
import { withReferences } from "./references";
import { runtimeProgram } from "./runtime";
import { SECCOMP_ANNOTATION } from "./seccomp-cache";
import { seccompFor } from "./security";
import { sweep } from "./settle";
import { withNamespaceOwners } from "./sharing";
import { noteUnfinished } from "./unfinished";
import { lookUpUser } from "./user";

/** How the caller takes part. `attach` null: detached. */
export type StartOptions = {
  attach: Attach | null;
  /** Print the id when it has started. */
  printId: boolean;
  consoleSize: { height: number; width: number } | undefined;
  /** Open descriptors that the first process gets. */
  preserveFds?: number[];
};

type LaunchRequest = RunRequest & { journal: JournalRequest };

/** Create and start in one: the row is written once, as running. Does not return. */
export async function runContainer(
  context: Context,
  given: NewContainer,
  source: RootSource,
  options: StartOptions,
  tellId: (id: string) => void = () => {},
): Promise<never> {
  hastenGroup(context, given.spec);
  const asked = checkNew(context, given);
  await sweep(context); // a `--rm` container that has just ended may hold the name
  const id = randomId();
  const plain = await withReferences(
    context,
    await withNamespaceOwners(
      context,
      await withNetworkOwner(context, withLogDefaults(context, withHostname(asked.spec, id))),
    ),
  );
  const { spec, claim, told: tellVolumes } = await mountPlanFor(context, plain, asked.imageId);
  const request = await launch(context, id, spec, source, options, () => {
    tellId(id); // first: a container whose id cannot be told is not made
    const { name } = record(context, { ...asked, spec }, id, true);
    claim(id);
    return name;
  });
  tellVolumes();
  const told = { id, name: request.journal.name, image_ref: spec.Image };
  tell(context, told, "create", {}, spec);
  if (options.attach) tell(context, told, "attach", {}, spec);
  becomeHelper(context.paths.cache, "run", request, [request.lockFd, ...(options.preserveFds ?? [])]);
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
  if (options.attach) tell(context, row, "attach", {}, spec);
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
  let request: LaunchRequest;
  try {
    request = await relaunch(context, row, spec, source, options);
  } catch (error) {
    if (error instanceof EngineError && error.code === "already-running") return 0; // another command was first: it runs
    throw error;
  }
  try {
    return await spawnRun(context.paths.cache, request);
  } finally {
    closeSync(request.lockFd);
  }
}

async function relaunch(
  context: Context,
  row: ContainerRow,
  spec: ContainerSpec,
  source: RootSource,
  options: StartOptions,
): Promise<LaunchRequest> {
  hastenGroup(context, spec);
  try {
    return await launch(context, row.id, spec, source, options, () => {
      if (markRunning(context.db(), row.id, context.now())) return row.name;
      throw new EngineError("not-found", "start container", row.name, "it has just been removed", {
        exitCode: 1,
      });
    });
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== "already-running") noteFailure(context, row, error);
    throw error;
  }
}

/** `inspect` and `why` tell it. What fails in the helper is noted in the supervisor's record. */
function noteFailure(context: Context, { id }: ContainerRow, error: unknown): void {
  try {
    markStartFailed(context.db(), id, reasonOf(error));
  } catch {
    // a full disk, perhaps: the failure itself is told
  }
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
): Promise<LaunchRequest> {
  if (asked.HostConfig.Requires)
    await (await import("./required")).startRequired(context, asked.HostConfig.Requires);
  const extras = hasExtras(context, asked)
    ? await (await import("./extras")).extrasFor(context, id, asked)
    : null;
  const start = await networkFor(context, id, extras?.spec ?? asked);
  const { spec } = start;
  const known = await lookUpUser(context, source, spec);
  const { seccomp, cache } = seccompFor(context, spec);
  const runtime = runtimeProgram(spec.HostConfig.Runtime);
  checkLog(context, spec);
  const { cgroup, ...limits } = groupFor(context, id, spec);
  const passed = isPassedThrough(spec) ? passedThrough(spec, options.attach) : {};

  const directory = containerDirectory(context, id);
  const isNew = !existsSync(directory);
  const volumes = isNew ? volumesIn(asked) : [];
  const unfinished = isNew ? noteUnfinished(context, id, volumes) : null;
  const lockFd = lockContainer(context, id);
  if (lockFd === null) {
    unfinished?.done();
    throw alreadyRunning(id);
  }
  try {
    makePrivateDirectory(join(directory, "rootfs"), context.uid);
    const { ids, user, files, edits, keepsGroups, oomScoreAdj } = await isolated(
      context,
      id,
      spec,
      source,
      start,
      known,
      directory,
    );
    const rootfs = await prepareRootfs(context, source, directory, {
      volatile: spec.HostConfig.AutoRemove,
      ranges: ids.ranges ?? undefined,
      isStart: true,
    });
    const lastMounts = await extras?.mounts(directory, ids.mappings);
    const mounts = await mountsFor(context, spec, user, ids.mappings, directory);
    noteVolumes(runDirectory(context, id), spec);
    const config = runtimeConfig({
      id,
      spec,
      user,
      mappings: ids.mappings,
      network: start.namespace,
      joined: ids.joined,
      edits,
      files: { ...(extras?.files(start.files) ?? start.files), ...files },
      maxOpenFiles: maxOpenFiles(),
      consoleSize: options.consoleSize,
      mounts,
      ...(lastMounts ? { lastMounts } : {}),
    });
    pinNamespaces(config);
    Object.assign(config.linux, limits);
    if (keepsGroups) config.annotations[KEEP_GROUPS_ANNOTATION] = "1";
    if (oomScoreAdj !== undefined) config.process.oomScoreAdj = oomScoreAdj;
    if (seccomp) config.annotations[SECCOMP_ANNOTATION] = seccomp.digest;
    writeFileSync(join(directory, "config.json"), encodeConfig(config, seccomp), { mode: 0o600 });
    writeFileSync(rootfsFile(context, id), JSON.stringify(rootfs), { mode: 0o600 });
    notePlace(context, id);
    if (!isNew) forgetLastLife(context, id);
    const requests = connected(context, start, commit);
    if (ids.ranges) await (await import("./give-volumes")).giveVolumes(context, spec, ids.ranges);
    unfinished?.done();
    return {
      id,
      proa: ownExecutable(),
      bundle: directory,
      runDir: runDirectory(context, id),
      lockFd,
      rootfs,
      runtime,
      log: logTarget(context, id, requests.name, spec),
      stdin: spec.OpenStdin,
      stdinOnce: spec.StdinOnce,
      attach: options.attach,
      printId: options.printId,
      remove: spec.HostConfig.AutoRemove ? [directory] : [],
      exitFile: exitFile(context, id),
      seccompCache: cache,
      journal: journalRequest(context, requests.name, spec.Image, spec.Labels),
      ...(ids.ranges && spec.HostConfig.AutoRemove ? { owners: context.host().mappings } : {}),
      ...lifeRequests(spec),
      ...watchRequests(context, id, spec, user),
      ...startRequests(context, spec, options),
      ...requests.network,
      ...(cgroup ? { cgroup: backgroundTold(context, cgroup, options) } : {}),
      ...(cgroup && ids.ranges && dividesItsGroup(config) ? { groupOwners: context.host().mappings } : {}),
      ...passed,
    };
  } catch (error) {
    // nothing has been mounted, and no file of a mapped id has been made yet
    if (isNew) {
      rmSync(directory, { recursive: true, force: true });
      forgetIds(context, id, asked);
    }
    rmSync(runDirectory(context, id), { recursive: true, force: true });
    if (volumes.length > 0)
      unfinished?.close(); // they may have been made: the next writer sees to it
    else unfinished?.done();
    closeSync(lockFd);
    throw error;
  }
}

/** Where systemd makes the group, what runs in the background may end with the login: that is said once. */
function backgroundTold(context: Context, cgroup: CgroupRequest, { attach }: StartOptions): CgroupRequest {
  if (attach === null && cgroup.manager === "systemd")
    (require("./linger") as typeof import("./linger")).tellOfLinger(context);
  return cgroup;
}

function dividesItsGroup({ mounts }: ReturnType<typeof runtimeConfig>): boolean {
  return mounts.some(({ type, options }) => type === "cgroup" && options?.includes("ro") !== true);
}

/** Where it lives, for those who look from another XDG_RUNTIME_DIR. The login's own is where anybody looks. */
function notePlace(context: Context, id: string): void {
  const login = context.uid === 0 ? "/run" : `/run/user/${context.uid}`;
  if (context.paths.runtime !== `${login}/proa`)
    writeFileSync(placeFile(context, id), runDirectory(context, id), { mode: 0o600 });
}

/** Records of a life before, which may have had other networks, and another pid. */
function forgetLastLife(context: Context, id: string): void {
  for (const path of [
    exitFile(context, id),
    liveFile(context, id),
    portsFile(context, id),
    networkPlanFile(context, id),
    nameFile(context, id),
    lossFile(context, id),
  ])
    rmSync(path, { force: true });
}

/** Whether a spec asks for what few containers have, see `extras.ts`. */
function hasExtras(context: Context, { HostConfig: host }: ContainerSpec): boolean {
  const notifies = context.env.NOTIFY_SOCKET && host.SdNotifyMode === undefined;
  const own = host.NoHosts || host.NoHostname || host.NoResolvConf;
  return Boolean(host.Links || host.Secrets || host.Timezone || own || notifies);
}

function startRequests(
  context: Context,
  { HostConfig: host }: ContainerSpec,
  options: StartOptions,
): Partial<RunRequest> {
  const socket = host.SdNotifyMode === "ignore" ? undefined : context.env.NOTIFY_SOCKET;
  return {
    ...(socket ? { notify: { socket, ready: host.SdNotifyMode === "conmon" } } : {}),
    ...(options.preserveFds?.length ? { preserveFds: options.preserveFds } : {}),
    ...(host.PidFile ? { pidFile: host.PidFile } : {}),
    ...(host.ConmonPidFile ? { supervisorPidFile: host.ConmonPidFile } : {}),
  };
}

/** An init, and health checks, of those that have them. */
function watchRequests(
  context: Context,
  id: string,
  spec: ContainerSpec,
  user: ResolvedUser,
): Partial<RunRequest> {
  const { Init, InitPath, SdNotifyMode } = spec.HostConfig;
  const notifySocket = SdNotifyMode === "healthy" ? context.env.NOTIFY_SOCKET : undefined;
  const health = spec.Healthcheck
    ? (require("./health") as typeof import("./health")).healthRequest(id, spec, user)
    : null;
  return {
    ...(Init ? { init: true } : {}),
    ...(Init && InitPath ? { initPath: InitPath } : {}),
    ...(health ? { health: { ...health, ...(notifySocket ? { notifySocket } : {}) } } : {}),
  };
}

/** Row and addresses are committed together: no container runs without those that it is known by. */
function connected(
  context: Context,
  start: NetworkStart,
  commit: () => string,
): { name: string; network: NetworkRequests } {
  const both = context.db().transaction(() => {
    const name = commit();
    return { name, network: start.connect(name) };
  });
  return both.immediate();
}

function alreadyRunning(id: string): EngineError {
  return new EngineError("already-running", "start container", id.slice(0, 12), "it is running", {
    exitCode: 1,
  });
}
