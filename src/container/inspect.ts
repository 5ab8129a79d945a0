/** A container in the shape of `GET /containers/{id}/json` of the Docker Engine API. */
import { closeSync } from "node:fs";
import { type ContainerSpec, parseNetworkMode } from "../oci";
import type { ContainerRow, Context } from "../state";
import { openAlive } from "./alive";
import { hostFilePaths } from "./files";
import { networkSettings } from "./network-settings";
import { containerDirectory, logFile } from "./places";
import { EXIT_UNKNOWN } from "./settle";
import { specOf } from "./spec";

const NEVER = "0001-01-01T00:00:00Z"; // Go's zero time, as Docker answers it

function timeOf(ms: number): string {
  return ms === 0 ? NEVER : new Date(ms).toISOString();
}

export function inspectContainer(context: Context, row: ContainerRow): Record<string, unknown> {
  const spec = specOf(context, row);
  const { HostConfig: host, NetworkingConfig: _asked, ...config } = spec;
  const files = hostFilePaths(containerDirectory(context, ownerId(row, spec)));
  const state = stateOf(context, row);
  const [path = "", ...args] = [...spec.Entrypoint, ...spec.Cmd];
  return {
    Id: row.id,
    Created: timeOf(row.created_ms),
    Path: path,
    Args: args,
    State: state,
    Image: row.image_id ?? "",
    ResolvConfPath: files["/etc/resolv.conf"],
    HostnamePath: files["/etc/hostname"],
    HostsPath: files["/etc/hosts"],
    LogPath: host.LogConfig.Type === "none" ? "" : logFile(context, row.id),
    Name: `/${row.name}`,
    RestartCount: 0,
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    HostConfig: { ...host, OomScoreAdj: host.OomScoreAdj ?? 0, Runtime: host.Runtime || "proa" },
    Mounts: host.Binds.map(mountOf),
    Config: { ...config, Entrypoint: config.Entrypoint.length > 0 ? config.Entrypoint : null },
    NetworkSettings: networkSettings(context, row, spec, state.Pid),
  };
}

/** Whose files say who and where it is: those of the container whose network it has. */
function ownerId(row: ContainerRow, { HostConfig }: ContainerSpec): string {
  const mode = parseNetworkMode(HostConfig.NetworkMode);
  return mode.kind === "container" ? mode.reference : row.id;
}

function stateOf(context: Context, row: ContainerRow) {
  const alive = row.status === "running" ? openAlive(context, row) : null;
  if (alive) closeSync(alive.pidfd);
  return {
    Status: row.status,
    Running: row.status === "running",
    Paused: false,
    Restarting: false,
    OOMKilled: false,
    Dead: false,
    Pid: alive?.pid ?? 0,
    ExitCode: row.exit_code === EXIT_UNKNOWN ? null : row.exit_code,
    Error: row.error,
    StartedAt: timeOf(alive?.startedMs ?? row.started_ms),
    FinishedAt: timeOf(row.finished_ms),
  };
}

function mountOf(bind: string): Record<string, unknown> {
  const [source = "", destination = "", options = ""] = bind.split(":");
  return {
    Type: "bind",
    Source: source,
    Destination: destination,
    Mode: options,
    RW: !options.split(",").includes("ro"),
    Propagation: "rprivate",
  };
}
