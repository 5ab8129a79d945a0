/**
 * Limits of a container in the names of the Docker Engine API (`Resources`). What this host cannot keep stays in the spec, and a warning says that it has no
 * effect.
 */
export type Resources = {
  /** Bytes, as the further sizes. */
  Memory?: number;
  MemoryReservation?: number;
  /** With the memory; -1: as much as there is. */
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
  /** Negative: none. */
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
  /** proa: podman's `--cgroups`; absent: enabled. */
  Cgroups?: "disabled" | "no-conmon" | "split";
  /** proa: who was asked to make its control group; absent: whoever is found. */
  CgroupManager?: "systemd" | "cgroupfs";
};

export type ThrottleDevice = { Path: string; Rate: number };
