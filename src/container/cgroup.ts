/**
 * The control group of a container, as far as every start has to ask. Where the host has version 1 and the user no directory of it, a container without limits costs one
 * system call and a look for a directory; all else is in `cgroup-limits.ts`.
 */
import { existsSync } from "node:fs";
import { type CgroupRequest, hastenGroups } from "../helper";
import type { ContainerSpec, HostConfig, LinuxResources } from "../oci";
import type { Context } from "../state";
import { cgroupVersion, v1Directory } from "./cgroup-version";

/** For the request and for `linux` of the config. */
export type StartGroup = { cgroup?: CgroupRequest; cgroupsPath?: string; resources?: LinuxResources };

const LIMITS = [
  "Memory",
  "MemoryReservation",
  "MemorySwap",
  "MemorySwappiness",
  "KernelMemory",
  "OomKillDisable",
  "CpuShares",
  "NanoCpus",
  "CpuPeriod",
  "CpuQuota",
  "CpuRealtimePeriod",
  "CpuRealtimeRuntime",
  "CpusetCpus",
  "CpusetMems",
  "PidsLimit",
  "BlkioWeight",
  "BlkioWeightDevice",
  "BlkioDeviceReadBps",
  "BlkioDeviceWriteBps",
  "BlkioDeviceReadIOps",
  "BlkioDeviceWriteIOps",
  "DeviceCgroupRules",
  "CgroupParent",
  "CgroupConf",
  "Cgroups",
  "CgroupManager",
] as const satisfies (keyof HostConfig)[];

function asksForGroup(host: HostConfig): boolean {
  for (const key of LIMITS) {
    const value = host[key];
    if (value === 0 && key === "MemorySwappiness") return true; // none is something, too
    if (value === undefined || value === null || value === 0 || value === "" || value === false) continue;
    return true;
  }
  return false;
}

function isConcerned(context: Context, { HostConfig }: ContainerSpec): boolean {
  if (cgroupVersion() === 2 || asksForGroup(HostConfig) || context.cgroupManager !== undefined) return true;
  return existsSync(v1Directory("pids", context.uid));
}

function limits() {
  return require("./cgroup-limits") as typeof import("./cgroup-limits");
}

/**
 * A new container's limits, checked and with what follows from them; what has no effect here is in its warnings.
 *
 * @throws `invalid` in docker's words, `not-found` for a device, `unsupported` for what this kernel has not
 */
export function withLimits(context: Context, spec: ContainerSpec): ContainerSpec {
  return isConcerned(context, spec) ? limits().limited(context, spec) : spec;
}

/**
 * A start has begun, whose group the user's service manager is going to make: as it is the first that is moved into one for some time, this takes the kernel 5 to 20 ms, unless it
 * knows beforehand.
 */
export function hastenGroup(context: Context, { HostConfig }: ContainerSpec): void {
  const isTheirs = HostConfig.Cgroups === "disabled" || HostConfig.Cgroups === "split"; // whose group is nobody's but the caller's
  const manager = HostConfig.CgroupManager ?? context.cgroupManager;
  if (!isTheirs && manager !== "cgroupfs") hastenJoin(context);
}

/** The same for a process that is to join a container, whose group it is most likely to have: what it has is known too late. */
export function hastenJoin({ uid, paths }: Context): void {
  if (cgroupVersion() === 2 && existsSync(`/run/user/${uid}/systemd/private`)) hastenGroups(paths.cache);
}

/** What a start has to be told. Throws `unsupported` where a manager was asked for that is not there. */
export function groupFor(context: Context, id: string, spec: ContainerSpec): StartGroup {
  return isConcerned(context, spec) ? limits().groupOf(context, id, spec) : {};
}
