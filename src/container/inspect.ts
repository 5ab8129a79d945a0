/** A container in the shape of `GET /containers/{id}/json` of the Docker Engine API. */
import { closeSync } from "node:fs";
import { join } from "node:path";
import type { ContainerRow, Context } from "../state";
import { openAlive } from "./alive";
import { specOf } from "./exec";
import { containerDirectory, logFile } from "./places";
import { EXIT_UNKNOWN } from "./settle";

const NEVER = "0001-01-01T00:00:00Z"; // Go's zero time, as Docker answers it

function timeOf(ms: number): string {
  return ms === 0 ? NEVER : new Date(ms).toISOString();
}

export function inspectContainer(context: Context, row: ContainerRow): Record<string, unknown> {
  const spec = specOf(context, row);
  const { HostConfig: host, ...config } = spec;
  const directory = containerDirectory(context, row.id);
  const [path = "", ...args] = [...spec.Entrypoint, ...spec.Cmd];
  return {
    Id: row.id,
    Created: timeOf(row.created_ms),
    Path: path,
    Args: args,
    State: stateOf(context, row),
    Image: row.image_id ?? "",
    ResolvConfPath: join(directory, "resolv.conf"),
    HostnamePath: join(directory, "hostname"),
    HostsPath: join(directory, "hosts"),
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
    NetworkSettings: { Networks: { [host.NetworkMode]: {} }, Ports: {} },
  };
}

function stateOf(context: Context, row: ContainerRow): Record<string, unknown> {
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
