/** Options of `run` and `create` that limit what a container uses. */
import type { Resources } from "../../oci";
import type { Args, Values } from "../tree";

const GROUP = "Limits";

export const limitArgs = {
  memory: {
    type: "string",
    alias: "m",
    valueHint: "BYTES",
    value: "none",
    group: GROUP,
    description: "Memory, such as 512m; at least 6m",
  },
  "memory-reservation": {
    type: "string",
    valueHint: "BYTES",
    value: "none",
    group: GROUP,
    description: "Soft limit of memory",
  },
  "memory-swap": {
    type: "string",
    valueHint: "BYTES",
    value: "none",
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
  cpus: {
    type: "string",
    valueHint: "NUMBER",
    value: "none",
    group: GROUP,
    description: "CPUs, such as 1.5",
  },
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
    value: "cpu-list",
    group: GROUP,
    description: "CPUs that may be used, such as 0-2,4",
  },
  "cpuset-mems": {
    type: "string",
    valueHint: "LIST",
    value: "none",
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
    value: "device-limit",
    group: GROUP,
    description: "Weight for one disk",
  },
  "device-read-bps": {
    type: "string",
    multiple: true,
    valueHint: "DEVICE:BYTES",
    value: "device-limit",
    group: GROUP,
    description: "Bytes read from a disk in a second",
  },
  "device-write-bps": {
    type: "string",
    multiple: true,
    valueHint: "DEVICE:BYTES",
    value: "device-limit",
    group: GROUP,
    description: "Bytes written to a disk in a second",
  },
  "device-read-iops": {
    type: "string",
    multiple: true,
    valueHint: "DEVICE:NUMBER",
    value: "device-limit",
    group: GROUP,
    description: "Reads of a disk in a second",
  },
  "device-write-iops": {
    type: "string",
    multiple: true,
    valueHint: "DEVICE:NUMBER",
    value: "device-limit",
    group: GROUP,
    description: "Writes to a disk in a second",
  },
  "device-cgroup-rule": {
    type: "string",
    multiple: true,
    valueHint: "RULE",
    value: "none",
    group: GROUP,
    description: "Rule for the devices that may be used",
  },
  "cgroup-parent": {
    type: "string",
    valueHint: "PATH",
    value: "none",
    group: GROUP,
    description: "Control group to be placed below",
  },
  cgroups: {
    type: "string",
    valueHint: "MODE",
    value: { oneOf: ["enabled", "disabled", "no-conmon", "split"] },
    default: "enabled",
    group: GROUP,
    description: "Which control groups are made",
    details:
      "no-conmon: only the container is placed in one, not its supervisor. split: the group that proa is in is divided, for a service of systemd with Delegate=yes.",
  },
  "cgroup-conf": {
    type: "string",
    multiple: true,
    valueHint: "KEY=VALUE",
    value: "none",
    group: GROUP,
    description: "Setting of the control group",
  },
} as const satisfies Args;

type LimitValues = Values<typeof limitArgs>;

const {
  "oom-kill-disable": _o,
  "device-cgroup-rule": _d,
  "cgroup-parent": _p,
  cgroups: _c,
  ...changeable
} = limitArgs;

/** Those that a container may get anew. */
export const limitUpdateArgs = changeable satisfies Args;

/** Fields of HostConfig. Throws `invalid`. */
export function limitsFrom(args: Partial<LimitValues>, given: ReadonlySet<string>): Resources {
  for (const key of given) {
    if (!Object.hasOwn(limitArgs, key)) continue;
    const { readLimits } = require("./_limits") as typeof import("./_limits"); // most containers have none
    return readLimits(args as LimitValues, given); // what is not given is not looked at
  }
  return {};
}
