/** What a start needs to know about how the container is kept apart; quick for the many that ask for nothing of it. */
import { readFileSync, statSync } from "node:fs";
import { type ContainerSpec, isolationOf, KEEP_GROUPS, type ResolvedUser, type RuntimeConfig } from "../oci";
import { type Context, releaseIdRange } from "../state";
import type { RootSource } from "../storage";
import type { DeviceEdits } from "./devices";
import type { IdSpace } from "./id-space";
import { hasDevices, mayNeedPasswd } from "./isolation-needs";
import type { NetworkStart } from "./network";

/** crun's name for it, which the helper takes over. */
export const KEEP_GROUPS_ANNOTATION = "run.oci.keep_original_groups";

export type Isolated = {
  ids: IdSpace;
  user: ResolvedUser;
  /** Bound over the image's: target to source. */
  files: Record<string, string>;
  edits: DeviceEdits | undefined;
  keepsGroups: boolean;
  oomScoreAdj: number | undefined;
};

/** Decide it under the container's lock; DIRECTORY is its own. Throws `not-found`, `not-running`, `invalid`, `unsupported`. */
export async function isolated(
  context: Context,
  id: string,
  spec: ContainerSpec,
  source: RootSource,
  start: NetworkStart,
  user: ResolvedUser,
  directory: string,
): Promise<Isolated> {
  const extra = chrootFiles(spec, start.files);
  const ids = await idsOf(context, id, spec, source, start);
  const passwd = mayNeedPasswd(spec)
    ? await (await import("./passwd-files")).passwdFiles(context, source, spec, user, directory)
    : { user, files: {} };
  return {
    ids,
    user: passwd.user,
    files: { ...extra, ...passwd.files },
    edits: hasDevices(spec) ? await (await import("./devices")).deviceEdits(context, spec) : undefined,
    keepsGroups: spec.HostConfig.GroupAdd.includes(KEEP_GROUPS),
    oomScoreAdj: oomScoreOf(context, spec),
  };
}

/** Without a word about ids and namespaces everything is the usual. */
async function idsOf(
  context: Context,
  id: string,
  spec: ContainerSpec,
  source: RootSource,
  start: NetworkStart,
): Promise<IdSpace> {
  const host = isolationOf(spec.HostConfig);
  const words = [host.UsernsMode, host.PidMode, host.IpcMode, host.UTSMode, host.CgroupnsMode];
  const isUsual =
    words.every((word) => word === "" || word === "private") &&
    host.IdMapLines.uid.length + host.IdMapLines.gid.length === 0 &&
    start.namespace.kind !== "joined";
  if (isUsual) return { mappings: context.host().mappings, ranges: null, joined: undefined };
  return (await import("./id-space")).idSpaceFor(context, id, spec, source, start.namespace);
}

/** `--chrootdirs`: the files that say who and where it is, in further places. */
function chrootFiles(spec: ContainerSpec, files: Record<string, string>): Record<string, string> {
  const { ChrootDirs } = isolationOf(spec.HostConfig);
  const pairs = ChrootDirs.flatMap((directory) =>
    Object.entries(files).map(
      ([target, source]) => [`${directory.replace(/\/+$/, "")}${target}`, source] as const,
    ),
  );
  return Object.fromEntries(pairs);
}

/** The kernel lets nobody but root go below what it is now. */
function oomScoreOf(context: Context, spec: ContainerSpec): number | undefined {
  const asked = spec.HostConfig.OomScoreAdj;
  if (asked === null || context.uid === 0) return undefined;
  const own = Number(readFileSync("/proc/self/oom_score_adj", "utf8"));
  if (!(asked < own)) return undefined;
  context.warn(
    `--oom-score-adj ${asked} is below your own ${own}, which only root may go below: ${own} is used`,
  );
  return own;
}

/** A start that failed gives back what was taken for it. */
export function forgetIds(context: Context, id: string, spec: ContainerSpec): void {
  if (isolationOf(spec.HostConfig).UsernsMode.startsWith("auto")) releaseIdRange(context.db(), id);
}

/** Say which namespaces are meant: the bundle is used again by a restart, and a path below /proc may be another's by then. */
export function pinNamespaces(config: RuntimeConfig): void {
  for (const { type, path } of config.linux.namespaces) {
    if (path !== undefined) config.annotations[`proa.namespace.${type}`] = String(statSync(path).ino);
  }
}
