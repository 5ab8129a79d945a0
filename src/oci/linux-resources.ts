/** From a container's limits to `linux.resources` of the OCI runtime specification. */
import type { Resources, ThrottleDevice } from "./resources";

type DeviceNumber = { major: number; minor: number };

/** As far as proa fills it in. What it is in version 2 is for the runtime to say (native/cgroup.h, crun, runc): the units are those of version 1. */
export type LinuxResources = {
  memory?: {
    limit?: number;
    reservation?: number;
    /** With the memory. */
    swap?: number;
    swappiness?: number;
    disableOOMKiller?: boolean;
  };
  cpu?: {
    shares?: number;
    quota?: number;
    period?: number;
    realtimeRuntime?: number;
    realtimePeriod?: number;
    cpus?: string;
    mems?: string;
  };
  pids?: { limit: number };
  blockIO?: {
    weight?: number;
    weightDevice?: (DeviceNumber & { weight: number })[];
    throttleReadBpsDevice?: (DeviceNumber & { rate: number })[];
    throttleWriteBpsDevice?: (DeviceNumber & { rate: number })[];
    throttleReadIOPSDevice?: (DeviceNumber & { rate: number })[];
    throttleWriteIOPSDevice?: (DeviceNumber & { rate: number })[];
  };
  unified?: Record<string, string>;
};

export type ResourceOptions = {
  version: 1 | 2;
  /** Those that the host has; limits of others are left out. */
  controllers: readonly string[];
  /** Of a block device's node. */
  deviceNumber: (path: string) => DeviceNumber;
};

const PERIOD = 100_000; // microseconds, docker's for --cpus
const NANO = 1e9;

/** Undefined where nothing is limited. */
export function linuxResources(
  limits: Resources,
  { version, controllers, deviceNumber }: ResourceOptions,
): LinuxResources | undefined {
  const has = (controller: string): boolean => controllers.includes(controller);
  const parts: LinuxResources = {};
  if (has("memory")) addPart(parts, "memory", memoryOf(limits, version));
  addPart(parts, "cpu", {
    ...(has("cpu") ? cpuOf(limits, version) : {}),
    ...(has("cpuset") ? { cpus: limits.CpusetCpus || undefined, mems: limits.CpusetMems || undefined } : {}),
  });
  if (has("pids") && limits.PidsLimit) parts.pids = { limit: limits.PidsLimit < 0 ? -1 : limits.PidsLimit };
  if (has("io")) addPart(parts, "blockIO", blockIoOf(limits, deviceNumber));
  const unified = Object.entries(limits.CgroupConf ?? {}).filter(
    ([key]) => version === 2 && isSettable(key, controllers),
  );
  if (unified.length > 0) parts.unified = Object.fromEntries(unified);
  return Object.keys(parts).length > 0 ? parts : undefined;
}

/** Whether the controller that a file of version 2 is named by is there. */
export function isSettable(key: string, controllers: readonly string[]): boolean {
  const [controller = ""] = key.split(".");
  return controller === "cgroup" || controllers.includes(controller);
}

function addPart<K extends "memory" | "cpu" | "blockIO">(
  parts: LinuxResources,
  key: K,
  part: { [P in keyof NonNullable<LinuxResources[K]>]: NonNullable<LinuxResources[K]>[P] | undefined },
): void {
  const present = Object.entries(part).filter(([, value]) => value !== undefined);
  if (present.length > 0) parts[key] = Object.fromEntries(present) as LinuxResources[K];
}

function memoryOf(limits: Resources, version: 1 | 2) {
  const { Memory = 0, MemorySwap = 0, MemoryReservation = 0, MemorySwappiness = -1, OomKillDisable } = limits;
  return {
    limit: Memory || undefined,
    reservation: MemoryReservation || undefined,
    swap: MemorySwap || undefined,
    swappiness: version === 1 && MemorySwappiness >= 0 ? MemorySwappiness : undefined,
    disableOOMKiller: version === 1 && OomKillDisable ? true : undefined,
  };
}

function cpuOf(limits: Resources, version: 1 | 2) {
  const { CpuShares, CpuPeriod, CpuQuota, NanoCpus, CpuRealtimePeriod, CpuRealtimeRuntime } = limits;
  const bandwidth = NanoCpus
    ? { period: PERIOD, quota: Math.max(1000, Math.round((NanoCpus * PERIOD) / NANO)) }
    : { period: CpuPeriod || undefined, quota: CpuQuota || undefined };
  return {
    shares: CpuShares || undefined,
    ...bandwidth,
    realtimePeriod: (version === 1 && CpuRealtimePeriod) || undefined,
    realtimeRuntime: (version === 1 && CpuRealtimeRuntime) || undefined,
  };
}

function blockIoOf(limits: Resources, numberOf: (path: string) => DeviceNumber) {
  const rates = (devices: readonly ThrottleDevice[] | undefined) =>
    devices?.length ? devices.map(({ Path, Rate }) => ({ ...numberOf(Path), rate: Rate })) : undefined;
  return {
    weight: limits.BlkioWeight || undefined,
    weightDevice: limits.BlkioWeightDevice?.length
      ? limits.BlkioWeightDevice.map(({ Path, Weight }) => ({ ...numberOf(Path), weight: Weight }))
      : undefined,
    throttleReadBpsDevice: rates(limits.BlkioDeviceReadBps),
    throttleWriteBpsDevice: rates(limits.BlkioDeviceWriteBps),
    throttleReadIOPSDevice: rates(limits.BlkioDeviceReadIOps),
    throttleWriteIOPSDevice: rates(limits.BlkioDeviceWriteIOps),
  };
}
