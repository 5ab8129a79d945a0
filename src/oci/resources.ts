/**
 * Limits of a container in the names of the Docker Engine API (`Resources`). They need control groups, in which proa does not place
 * containers: what was asked for is kept, and a warning says that it has no effect.
 */
export type Resources = {
  /** Bytes, as the further sizes. */
  Memory?: number;
  MemoryReservation?: number;
  /** -1: as much as there is. */
  MemorySwap?: number;
  MemorySwappiness?: number;
  KernelMemory?: number;
  OomKillDisable?: boolean;
  CpuShares?: number;
  /** 10⁻⁹ CPUs. */
  NanoCpus?: number;
  /** Microseconds, as the further times. */
  CpuPeriod?: number;
  CpuQuota?: number;
  CpuRealtimePeriod?: number;
  CpuRealtimeRuntime?: number;
  CpusetCpus?: string;
  CpusetMems?: string;
  PidsLimit?: number;
  BlkioWeight?: number;
  BlkioWeightDevice?: { Path: string; Weight: number }[];
  BlkioDeviceReadBps?: ThrottleDevice[];
  BlkioDeviceWriteBps?: ThrottleDevice[];
  BlkioDeviceReadIOps?: ThrottleDevice[];
  BlkioDeviceWriteIOps?: ThrottleDevice[];
  DeviceCgroupRules?: string[];
  CgroupParent?: string;
  /** proa: podman's `--cgroup-conf`. */
  CgroupConf?: Record<string, string>;
};

export type ThrottleDevice = { Path: string; Rate: number };
