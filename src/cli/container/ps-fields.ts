/** The fields of a line of `ps`, docker's and those that podman adds. */
import {
  type ContainerSize,
  describePorts,
  EXIT_UNKNOWN,
  type ListedContainer,
  type LiveState,
  shownStatus,
} from "../../container";
import type { Field } from "../output/format";
import { imageSize } from "../output/size";
import { humanDuration, localTime, timeAgo } from "../output/time";

const COMMAND_WIDTH = 20; // characters, as docker shows it
const MOUNT_WIDTH = 15;

export type PsRow = ListedContainer & { size?: ContainerSize };

const NEVER = "0001-01-01 00:00:00 +0000 UTC";
const momentOf = (ms: number): string => (ms === 0 ? NEVER : localTime(ms));
const secondsOf = (ms: number): number => (ms === 0 ? -62135596800 : Math.trunc(ms / 1000)); // Go's zero time

export const psFields = (nowMs: number): Record<string, Field<PsRow>> => ({
  ID: {
    header: "CONTAINER ID",
    isWhole: true,
    value: ({ id }, { noTrunc }) => (noTrunc ? id : id.slice(0, 12)),
  },
  Image: { header: "IMAGE", value: ({ image_ref }) => image_ref },
  Command: {
    header: "COMMAND",
    value: ({ command }, { noTrunc }) => `"${noTrunc ? command : shorten(command, COMMAND_WIDTH)}"`,
  },
  CreatedAt: { header: "CREATED AT", value: ({ created_ms }) => localTime(created_ms) },
  RunningFor: { header: "CREATED", value: ({ created_ms }) => timeAgo(created_ms, nowMs) },
  Status: { header: "STATUS", value: (row) => statusOf(row, nowMs) },
  State: { header: "STATE", value: (row) => shownStatus(row, row.live) },
  Ports: { header: "PORTS", value: portsOf },
  Names: { header: "NAMES", isWhole: true, value: ({ name }) => name },
  Labels: {
    header: "LABELS",
    value: ({ spec }) =>
      Object.entries(spec.Labels)
        .map((pair) => pair.join("="))
        .join(","),
  },
  Label: {
    header: "",
    value:
      ({ spec }) =>
      (key: unknown) =>
        spec.Labels[String(key)] ?? "",
  },
  Mounts: {
    header: "MOUNTS",
    value: ({ mounts }, { noTrunc }) =>
      mounts
        .map(({ Name, Source }) => Name || Source)
        .map((name) => (noTrunc ? name : shorten(name, MOUNT_WIDTH)))
        .join(","),
  },
  LocalVolumes: {
    header: "LOCAL VOLUMES",
    value: ({ mounts }) => String(mounts.filter(({ Type }) => Type === "volume").length),
  },
  Networks: { header: "NETWORKS", value: ({ networks }) => networks.join(",") },
  Platform: { header: "PLATFORM", value: ({ platform }) => platform },
  Size: { header: "SIZE", value: ({ size }) => sizeOf(size) },
  // podman's
  Created: { header: "CREATED", isExtra: true, value: ({ created_ms }) => timeAgo(created_ms, nowMs) },
  CreatedHuman: { header: "CREATED", isExtra: true, value: ({ created_ms }) => timeAgo(created_ms, nowMs) },
  StartedAt: { header: "STARTED AT", isExtra: true, value: (row) => secondsOf(startOf(row)) },
  ExitedAt: { header: "EXITED AT", isExtra: true, value: ({ finished_ms }) => secondsOf(finished_ms) },
  Exited: { header: "EXITED", isExtra: true, value: ({ status }) => status === "exited" },
  ExitCode: { header: "EXIT CODE", isExtra: true, value: (row) => row.live?.exitCode ?? row.exit_code },
  Restarts: {
    header: "RESTARTS",
    isExtra: true,
    value: (row) => row.live?.restartCount ?? row.restart_count,
  },
  Pid: { header: "PID", isExtra: true, value: ({ live }) => live?.pid ?? 0 },
  ImageID: {
    header: "IMAGE ID",
    isExtra: true,
    value: ({ image_id }) => (image_id ?? "").replace("sha256:", ""),
  },
  AutoRemove: { header: "AUTO REMOVE", isExtra: true, value: ({ auto_remove }) => auto_remove === 1 },
  ExposedPorts: {
    header: "EXPOSED PORTS",
    isExtra: true,
    value: ({ spec }) => Object.keys(spec.ExposedPorts).join(", "),
  },
  CIDFile: { header: "CIDFILE", isExtra: true, value: ({ spec }) => spec.HostConfig.ContainerIDFile ?? "" },
  FinishedAt: { header: "FINISHED AT", isExtra: true, value: ({ finished_ms }) => momentOf(finished_ms) },
  Pod: { header: "POD ID", isExtra: true, value: () => "" }, // there are none
  PodName: { header: "PODNAME", isExtra: true, value: () => "" },
  IsInfra: { header: "IS INFRA", isExtra: true, value: () => false },
  MNT: { header: "MNT", isExtra: true, value: ({ namespaces }) => namespaces.mnt ?? "" },
  NET: { header: "NET", isExtra: true, value: ({ namespaces }) => namespaces.net ?? "" },
  IPC: { header: "IPC", isExtra: true, value: ({ namespaces }) => namespaces.ipc ?? "" },
  UTS: { header: "UTS", isExtra: true, value: ({ namespaces }) => namespaces.uts ?? "" },
  USERNS: { header: "USERNS", isExtra: true, value: ({ namespaces }) => namespaces.user ?? "" },
  PIDNS: { header: "PIDNS", isExtra: true, value: ({ namespaces }) => namespaces.pid ?? "" },
  CGROUPNS: { header: "CGROUPNS", isExtra: true, value: ({ namespaces }) => namespaces.cgroup ?? "" },
});

export const PS_COLUMNS = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
export const NAMESPACE_COLUMNS = [
  "ID",
  "Names",
  "Pid",
  "CGROUPNS",
  "IPC",
  "MNT",
  "NET",
  "PIDNS",
  "USERNS",
  "UTS",
];

function startOf({ live, started_ms }: PsRow): number {
  return live?.startedMs ?? started_ms;
}

/** As docker has it where it was not asked for: nothing. */
function sizeOf(size: ContainerSize | undefined): string {
  if (size === undefined) return "0B";
  return size.all > 0 ? `${imageSize(size.own)} (virtual ${imageSize(size.all)})` : imageSize(size.own);
}

/** Only a container that runs has ports: what it has published, and what it names without. */
function portsOf(row: PsRow): string {
  return row.status === "running" ? describePorts(row.openPorts, Object.keys(row.spec.ExposedPorts)) : "";
}

function shorten(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

function statusOf(row: PsRow, nowMs: number): string {
  switch (row.status) {
    case "created":
      return "Created";
    case "running":
      return statusOfLiving(row, row.live, nowMs);
    case "exited": {
      const code = row.exit_code === EXIT_UNKNOWN ? "unknown" : row.exit_code;
      return `Exited (${code}) ${timeAgo(row.finished_ms, nowMs)}`;
    }
  }
}

function statusOfLiving(row: PsRow, live: LiveState | null, nowMs: number): string {
  if (live?.status === "restarting")
    return `Restarting (${live.exitCode ?? 0}) ${timeAgo(live.finishedMs ?? nowMs, nowMs)}`;
  const up = `Up ${humanDuration(nowMs - startOf(row))}`;
  if (live?.status === "paused") return `${up} (Paused)`;
  if (!live?.health) return up;
  return `${up} (${live.health.status === "starting" ? "health: starting" : live.health.status})`;
}
