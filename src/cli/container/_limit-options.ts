/** Options of `run` and `create` that limit what a container uses. */
import type { Resources } from "../../oci";
import type { Args, Values } from "../tree";

const GROUP = "Limits";

export const limitArgs = {
  memory: {
    type: "string",
    alias: "m",
    valueHint: "BYTES",
    group: GROUP,
    description: "Memory, such as 512m; at least 6m",
  },
  "memory-reservation": {
    type: "string",
    valueHint: "BYTES",
    group: GROUP,
    description: "Soft limit of memory",
  },
  "memory-swap": {
    type: "string",
    valueHint: "BYTES",
    group: GROUP,
    description: "Memory and swap together; -1 for no limit of swap",
  },
  "memory-swappiness": {
    type: "int",
    valueHint: "PERCENT",
    default: -1,
    min: -1,
    max: 100,
    group: GROUP,
    description: "How readily memory is swapped out, 0 to 100",
  },
  "kernel-memory": {
    type: "string",
    valueHint: "BYTES",
    hidden: true,
    group: GROUP,
    description: "Memory of the kernel",
  },
  "oom-kill-disable": { type: "boolean", group: GROUP, description: "Do not kill when memory is used up" },
  cpus: { type: "string", valueHint: "NUMBER", group: GROUP, description: "CPUs, such as 1.5" },
  "cpu-shares": {
    type: "int",
    alias: "c",
    valueHint: "NUMBER",
    group: GROUP,
    description: "Relative weight for the CPU",
  },
  "cpu-period": {
    type: "int",
    valueHint: "MICROSECONDS",
    group: GROUP,
    description: "Period of the CPU quota",
  },
  "cpu-quota": {
    type: "int",
    valueHint: "MICROSECONDS",
    group: GROUP,
    description: "CPU time in each period",
  },
  "cpu-rt-period": {
    type: "int",
    valueHint: "MICROSECONDS",
    group: GROUP,
    description: "Period of real-time CPU",
  },
  "cpu-rt-runtime": {
    type: "int",
    valueHint: "MICROSECONDS",
    group: GROUP,
    description: "Real-time CPU in each period",
  },
  "cpuset-cpus": {
    type: "string",
    valueHint: "LIST",
    group: GROUP,
    description: "CPUs that may be used, such as 0-2,4",
  },
  "cpuset-mems": {
    type: "string",
    valueHint: "LIST",
    group: GROUP,
    description: "Memory nodes that may be used",
  },
  "pids-limit": { type: "int", valueHint: "NUMBER", group: GROUP, description: "Processes; -1 for no limit" },
  "blkio-weight": {
    type: "int",
    valueHint: "WEIGHT",
    group: GROUP,
    description: "Weight for disks, 10 to 1000",
  },
  "blkio-weight-device": {
    type: "string",
    multiple: true,
    valueHint: "DEVICE:WEIGHT",
    group: GROUP,
    description: "Weight for one disk",
  },
  "device-read-bps": {
    type: "string",
    multiple: true,
    valueHint: "DEVICE:BYTES",
    group: GROUP,
    description: "Bytes read from a disk in a second",
  },
  "device-write-bps": {
    type: "string",
    multiple: true,
    valueHint: "DEVICE:BYTES",
    group: GROUP,
    description: "Bytes written to a disk in a second",
  },
  "device-read-iops": {
    type: "string",
    multiple: true,
    valueHint: "DEVICE:NUMBER",
    group: GROUP,
    description: "Reads of a disk in a second",
  },
  "device-write-iops": {
    type: "string",
    multiple: true,
    valueHint: "DEVICE:NUMBER",
    group: GROUP,
    description: "Writes to a disk in a second",
  },
  "device-cgroup-rule": {
    type: "string",
    multiple: true,
    valueHint: "RULE",
    group: GROUP,
    description: "Rule for the devices that may be used",
  },
  "cgroup-parent": {
    type: "string",
    valueHint: "PATH",
    group: GROUP,
    description: "Control group to be placed below",
  },
  "cgroup-conf": {
    type: "string",
    multiple: true,
    valueHint: "KEY=VALUE",
    group: GROUP,
    description: "Setting of the control group",
  },
} as const satisfies Args;

type LimitValues = Values<typeof limitArgs>;

const NOTHING = { resources: {}, warnings: [] };

/** Fields of HostConfig, and a warning for each limit that has no effect on this host. Throws `invalid`. */
export function limitsFrom(
  args: LimitValues,
  given: ReadonlySet<string>,
): { resources: Resources; warnings: string[] } {
  for (const key of given) {
    if (!Object.hasOwn(limitArgs, key)) continue;
    const { readLimits } = require("./_limits") as typeof import("./_limits"); // most containers have none
    return readLimits(args, given);
  }
  return NOTHING;
}
