/** What limits cannot be, in docker's words. */
import { EngineError } from "../error";
import type { Resources } from "./resources";

/** What this host has: lists as the kernel writes them, `0-3,8`; "": not known. */
export type HostResources = { cpuCount: number; cpus: string; memoryNodes: string };

const LEAST_MEMORY = 6 << 20; // bytes
const NANO = 1e9;

/** Throws `invalid`. */
export function checkResources(limits: Resources, host: HostResources): void {
  checkMemory(limits);
  checkCpu(limits, host);
  checkSet("cpuset cpus", limits.CpusetCpus ?? "", host.cpus, "CPUs");
  checkSet("cpuset mems", limits.CpusetMems ?? "", host.memoryNodes, "memory nodes");
  checkWeights(limits);
}

function invalid(what: string, on: unknown, why: string): EngineError {
  return new EngineError("invalid", what, String(on), why);
}

function checkMemory(limits: Resources): void {
  const { Memory = 0, MemorySwap = 0, MemoryReservation = 0, MemorySwappiness = -1 } = limits;
  if (Memory > 0 && Memory < LEAST_MEMORY)
    throw invalid("memory", Memory, "Minimum memory limit allowed is 6MB");
  if (MemorySwap > 0 && Memory === 0)
    throw invalid(
      "memory swap",
      MemorySwap,
      "You should always set the Memory limit when using Memoryswap limit, see usage",
    );
  if (MemorySwap > 0 && MemorySwap < Memory)
    throw invalid(
      "memory swap",
      MemorySwap,
      "Minimum memoryswap limit should be larger than memory limit, see usage",
    );
  if (MemorySwappiness < -1 || MemorySwappiness > 100)
    throw invalid(
      "memory swappiness",
      MemorySwappiness,
      `Invalid value: ${MemorySwappiness}, valid memory swappiness range is 0-100`,
    );
  if (MemoryReservation > 0 && MemoryReservation < LEAST_MEMORY)
    throw invalid("memory reservation", MemoryReservation, "Minimum memory reservation allowed is 6MB");
  if (MemoryReservation > 0 && Memory > 0 && MemoryReservation > Memory)
    throw invalid(
      "memory reservation",
      MemoryReservation,
      "Minimum memory limit can not be less than memory reservation limit, see usage",
    );
}

function checkCpu(limits: Resources, { cpuCount }: HostResources): void {
  const { NanoCpus = 0, CpuShares = 0, CpuPeriod = 0, CpuQuota = 0 } = limits;
  const { CpuRealtimePeriod = 0, CpuRealtimeRuntime = 0 } = limits;
  if (NanoCpus !== 0 && CpuPeriod > 0)
    throw invalid(
      "cpus",
      NanoCpus / NANO,
      "Conflicting options: Nano CPUs and CPU Period cannot both be set",
    );
  if (NanoCpus !== 0 && CpuQuota > 0)
    throw invalid("cpus", NanoCpus / NANO, "Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (NanoCpus !== 0 && (NanoCpus < NANO / 100 || NanoCpus > cpuCount * NANO))
    throw invalid(
      "cpus",
      NanoCpus / NANO,
      `Range of CPUs is from 0.01 to ${cpuCount}.00, as there are only ${cpuCount} CPUs available`,
    );
  if (CpuShares < 0) throw invalid("cpu shares", CpuShares, "it cannot be negative");
  if (CpuPeriod !== 0 && (CpuPeriod < 1000 || CpuPeriod > 1_000_000))
    throw invalid(
      "cpu period",
      CpuPeriod,
      "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    );
  if (CpuQuota > 0 && CpuQuota < 1000)
    throw invalid("cpu quota", CpuQuota, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (CpuRealtimePeriod > 0 && CpuRealtimeRuntime > CpuRealtimePeriod)
    throw invalid("cpu rt runtime", CpuRealtimeRuntime, "rt runtime cannot be higher than rt period");
}

/** The members of `0-2,4`; null where it is no such list. */
export function listMembers(text: string): Set<number> | null {
  const members = new Set<number>();
  if (!/^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/.test(text)) return null;
  for (const part of text.split(",")) {
    const [first = 0, last = first] = part.split("-").map(Number);
    if (last < first) return null;
    for (let each = first; each <= last; each++) members.add(each);
  }
  return members;
}

function checkSet(what: string, text: string, available: string, named: string): void {
  if (text === "") return;
  const asked = listMembers(text);
  if (asked === null) throw invalid(what, text, `Invalid value ${text} for ${what}`);
  const there = listMembers(available.trim());
  if (there === null || [...asked].every((each) => there.has(each))) return;
  throw invalid(
    what,
    text,
    `Requested ${named} are not available - requested ${text}, available: ${available.trim()}`,
  );
}

function checkWeights({ BlkioWeight = 0, BlkioWeightDevice = [] }: Resources): void {
  const isWeight = (value: number): boolean => value >= 10 && value <= 1000;
  if (BlkioWeight !== 0 && !isWeight(BlkioWeight))
    throw invalid("blkio weight", BlkioWeight, "Range of blkio weight is from 10 to 1000");
  for (const { Path, Weight } of BlkioWeightDevice) {
    if (Weight !== 0 && !isWeight(Weight))
      throw invalid(
        "blkio weight device",
        `${Path}:${Weight}`,
        `invalid weight for device: ${Path}:${Weight}`,
      );
  }
}
