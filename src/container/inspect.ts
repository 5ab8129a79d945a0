/** A container in the shape of `GET /containers/{id}/json` of the Docker Engine API. */
import { closeSync, existsSync } from "node:fs";
import { join } from "node:path";
import { type ContainerSpec, grantedCapabilities, parseNetworkMode } from "../oci";
import { type ContainerRow, type Context, manifestsOfImage } from "../state";
import { driverName } from "../storage";
import { openAlive } from "./alive";
import { hostFilePaths } from "./files";
import { configJson, hostConfigJson } from "./inspect-config";
import { liveState, shownStatus } from "./live";
import { logPlace } from "./log-target";
import { lostBytes } from "./logs";
import { mountPoints } from "./mount-points";
import { networkSettings } from "./network-settings";
import { containerDirectory } from "./places";
import { execIds } from "./sessions";
import { specOf } from "./spec";

const NEVER = "0001-01-01T00:00:00Z"; // Go's zero time, as Docker answers it

function timeOf(ms: number): string {
  return ms === 0 ? NEVER : new Date(ms).toISOString();
}

export type InspectOptions = {
  /** Work out how much it takes. */
  size?: boolean;
};

export async function inspectContainer(
  context: Context,
  row: ContainerRow,
  options: InspectOptions = {},
): Promise<Record<string, unknown>> {
  const spec = specOf(context, row);
  const { HostConfig: host } = spec;
  const directory = containerDirectory(context, row.id);
  const driver = driverName(context);
  const files = hostFilePaths(containerDirectory(context, ownerId(row, spec)));
  const state = stateOf(context, row, spec);
  const [path = "", ...args] = [...spec.Entrypoint, ...spec.Cmd];
  return {
    Id: row.id,
    Created: timeOf(row.created_ms),
    Path: path,
    Args: args,
    State: state.shown,
    Image: row.image_id ?? "",
    ResolvConfPath: files["/etc/resolv.conf"],
    HostnamePath: files["/etc/hostname"],
    HostsPath: files["/etc/hosts"],
    LogPath: host.LogConfig.Type === "local" ? "" : (logPlace(context, row.id, spec)?.path ?? ""),
    Name: `/${row.name}`,
    RestartCount: state.restartCount,
    Driver: driver,
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: state.shown.Pid === 0 ? null : execIds(context, row, state.shown.Pid),
    HostConfig: { ...hostConfigJson(context, row.name, spec), ...idMappings(context, row, spec) },
    GraphDriver: { Name: driver, Data: placesOf(directory) },
    ...(options.size ? await sizes(context, row) : {}),
    Mounts: mountPoints(context, row, spec),
    Config: configJson(spec),
    NetworkSettings: networkSettings(context, row, spec, state.shown.Pid),
    // podman's
    ImageName: row.image_ref,
    ImageDigest: row.image_id === null ? "" : (manifestsOfImage(context.db(), row.image_id)[0] ?? ""),
    ...capabilitiesOf(spec),
    Rootfs: host.Rootfs,
    Pod: "",
    OCIRuntime: host.Runtime || "proa",
    OCIConfigPath: join(directory, "config.json"),
    StaticDir: directory,
    PidFile: host.PidFile ?? "",
    ConmonPidFile: host.ConmonPidFile ?? "",
    Dependencies: host.Requires ?? [],
    IsInfra: false,
    Warnings: spec.Warnings ?? [],
  };
}

/** podman's: what its first process has, and what any process of it can get. Only root keeps some through `execve`. */
function capabilitiesOf({ HostConfig, User }: ContainerSpec) {
  const { CapAdd, CapDrop, Privileged, UsernsMode } = HostConfig;
  const BoundingCaps = grantedCapabilities(CapAdd, CapDrop, Privileged).sort();
  const isRoot = /^(0+|root)(:|$)/.test(User) || (/^(:|$)/.test(User) && !/^keep-id/.test(UsernsMode ?? ""));
  return { EffectiveCaps: isRoot ? BoundingCaps : [], BoundingCaps };
}

/** Where it is written to; null before the first start. */
function placesOf(directory: string): Record<string, string> | null {
  const UpperDir = join(directory, "upper");
  return existsSync(UpperDir) ? { UpperDir, WorkDir: join(directory, "work") } : null;
}

async function sizes(context: Context, row: ContainerRow): Promise<Record<string, number>> {
  const { own, all } = await (await import("./size")).containerSize(context, row);
  return { SizeRw: own, SizeRootFs: all };
}

function health() {
  return require("./health") as typeof import("./health");
}

/** Most containers have the usual ids: what knows of others is not loaded for them. */
function idMappings(context: Context, row: ContainerRow, spec: ContainerSpec): Record<string, unknown> {
  const { UsernsMode, IdMapLines, PidMode, IpcMode, UTSMode, CgroupnsMode, NetworkMode } = spec.HostConfig;
  const isJoining = [PidMode, IpcMode, UTSMode, CgroupnsMode, NetworkMode].some((mode) =>
    /^(container|ns):/.test(mode ?? ""),
  );
  const lines = [...(IdMapLines?.uid ?? []), ...(IdMapLines?.gid ?? [])];
  if (!UsernsMode && lines.length === 0 && !isJoining) return {};
  return (require("./id-mappings") as typeof import("./id-mappings")).shownIdMappings(context, row.id, spec);
}

/** Whose files say who and where it is: those of the container whose network it has. */
function ownerId(row: ContainerRow, { HostConfig }: ContainerSpec): string {
  const mode = parseNetworkMode(HostConfig.NetworkMode);
  return mode.kind === "container" ? mode.reference : row.id;
}

/** docker calls one that waits for its next start running, too. */
function stateOf(context: Context, row: ContainerRow, spec: ContainerSpec) {
  const live = row.status === "running" ? liveState(context, row) : null;
  const alive = live && live.pid !== 0 ? openAlive(context, row) : null;
  if (alive) closeSync(alive.pidfd);
  const exitCode = live?.exitCode ?? row.exit_code;
  const shown = {
    Status: shownStatus(row, live),
    Running: row.status === "running",
    Paused: live?.status === "paused",
    Restarting: live?.status === "restarting",
    OOMKilled: row.oom_killed === 1,
    Dead: false,
    Pid: alive?.pid ?? 0,
    ExitCode: exitCode, // of an end that nobody saw -1: clients expect a number, and no process ends with this one
    Error: row.error,
    StartedAt: timeOf(live?.startedMs ?? row.started_ms),
    FinishedAt: timeOf(live?.finishedMs ?? row.finished_ms),
    ...(live?.cgroup ? { CgroupPath: live.cgroup.replace("/sys/fs/cgroup", "") } : {}), // podman's
    LogLostBytes: lostBytes(context, row), // proa's own
    ...(spec.Healthcheck ? { Health: health().healthOf(context, row, spec) } : {}),
  };
  return { shown, restartCount: live?.restartCount ?? row.restart_count };
}
