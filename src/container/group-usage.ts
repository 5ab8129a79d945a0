/** What the files of a control group count, of the life that it was made for. */
import { readFileSync } from "node:fs";
import type { LiveState } from "./live";

/** Undefined: the group's controllers do not count it. Limits: 0 is none. */
export type GroupUsage = {
  cpuMicroseconds: number;
  systemMicroseconds: () => number;
  /** Without the cache that nobody has asked for lately, as docker counts. */
  memoryBytes: number | undefined;
  memoryLimitBytes: number;
  processes: number | undefined;
  disk: { readBytes: number; writtenBytes: number } | undefined;
};

/** Of a container that lives; null where it has no group of its own, or has just ended. */
export function groupUsage(live: Pick<LiveState, "cgroup" | "cgroups">): GroupUsage | null {
  if (live.cgroups) return usageOfVersion1(live.cgroups);
  return live.cgroup ? usageOfVersion2(live.cgroup) : null;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null; // its controller is not there, or the container has ended
  }
}

/** The number behind a key, of a file with one a line. By hand: of 50 containers that is a hundred such files. */
function keyed(text: string | null, key: string): number {
  if (text === null) return 0;
  const at = text.startsWith(`${key} `) ? 0 : text.indexOf(`\n${key} `) + 1;
  if (at === 0 && !text.startsWith(`${key} `)) return 0;
  const end = text.indexOf("\n", at);
  return Number(text.slice(at + key.length + 1, end < 0 ? undefined : end));
}

/** A file with one number; undefined where it is not there. */
function numberIn(path: string): number | undefined {
  const text = read(path);
  return text === null || text.trim() === "" ? undefined : Number(text);
}

/** "max", and what version 1 has for it, is no limit. */
const NO_LIMIT = 2 ** 62; // PAGE_COUNTER_MAX is a little above

function limitIn(path: string): number {
  const limit = numberIn(path);
  return limit === undefined || Number.isNaN(limit) || limit > NO_LIMIT ? 0 : limit;
}

/** Never less than nothing: the figures are of two moments. */
const without = (usage: number | undefined, cache: number): number | undefined =>
  usage === undefined || cache >= usage ? usage : usage - cache;

function usageOfVersion2(path: string): GroupUsage | null {
  const cpu = read(`${path}/cpu.stat`);
  if (cpu === null) return null;
  const used = numberIn(`${path}/memory.current`);
  const io = read(`${path}/io.stat`);
  return {
    cpuMicroseconds: keyed(cpu, "usage_usec"),
    systemMicroseconds: () => keyed(cpu, "system_usec"),
    memoryBytes:
      used === undefined ? used : without(used, keyed(read(`${path}/memory.stat`), "inactive_file")),
    memoryLimitBytes: limitIn(`${path}/memory.max`),
    processes: numberIn(`${path}/pids.current`),
    disk: io === null ? undefined : { readBytes: sumOf(io, "rbytes"), writtenBytes: sumOf(io, "wbytes") },
  };
}

/** Over all disks: `8:0 rbytes=1 wbytes=2 …` each. */
export function sumOf(text: string, key: string): number {
  let sum = 0;
  for (const [, bytes] of text.matchAll(new RegExp(` ${key}=(\\d+)`, "g"))) sum += Number(bytes);
  return sum;
}

const TICK_MICROSECONDS = 10_000; // of cpuacct.stat

function usageOfVersion1(paths: Readonly<Record<string, string>>): GroupUsage | null {
  const { cpuacct, memory, pids, blkio } = paths;
  const nanoseconds = cpuacct === undefined ? undefined : numberIn(`${cpuacct}/cpuacct.usage`);
  if (nanoseconds === undefined) return null; // a share of the CPU is what one looks for first: all is counted by the processes then
  const used = memory === undefined ? undefined : numberIn(`${memory}/memory.usage_in_bytes`);
  const io = blkio === undefined ? null : read(`${blkio}/blkio.throttle.io_service_bytes`);
  return {
    cpuMicroseconds: nanoseconds / 1000,
    systemMicroseconds: () => keyed(read(`${cpuacct}/cpuacct.stat`), "system") * TICK_MICROSECONDS,
    memoryBytes:
      used === undefined ? used : without(used, keyed(read(`${memory}/memory.stat`), "total_inactive_file")),
    memoryLimitBytes: memory === undefined ? 0 : limitIn(`${memory}/memory.limit_in_bytes`),
    processes: pids === undefined ? undefined : numberIn(`${pids}/pids.current`),
    disk:
      io === null
        ? undefined
        : { readBytes: servedBytes(io, "Read"), writtenBytes: servedBytes(io, "Write") },
  };
}

/** Over all disks: `8:0 Read 4096` each. */
function servedBytes(text: string, operation: string): number {
  let sum = 0;
  for (const [, bytes] of text.matchAll(new RegExp(`^\\d+:\\d+ ${operation} (\\d+)$`, "gm")))
    sum += Number(bytes);
  return sum;
}
