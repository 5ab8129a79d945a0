/** What the files of a control group count, of the life that it was made for. */
import { closeSync, constants, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { entriesAt, readAtOnce } from "../helper";
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

/**
 * Of a container that lives; null where it has no group of its own, or has just ended.
 *
 * @param known whether a group two above it lets those below be counted; filled in, so that of fifty in one slice it is looked at once
 */
export function groupUsage(
  live: Pick<LiveState, "cgroup" | "cgroups">,
  known = new Map<string, boolean>(),
): GroupUsage | null {
  if (live.cgroups) return usageOfVersion1(live.cgroups);
  return live.cgroup ? usageOfVersion2(live.cgroup, known) : null;
}

/**
 * The processes of the group and of those below it, for what its controllers do not count. Null where it has no group, or they cannot all be told: a container
 * to whose root the group was given may keep the ones that it makes to itself.
 */
export function groupProcesses({ cgroup, cgroups }: Pick<LiveState, "cgroup" | "cgroups">): number[] | null {
  const path = cgroups?.cpuacct ?? cgroup;
  const pids: number[] = [];
  return path && addProcesses(path, pids) ? pids : null;
}

function addProcesses(path: string, pids: number[]): boolean {
  const text = readAtOnce(`${path}/cgroup.procs`);
  for (const line of text?.split("\n") ?? []) if (line !== "") pids.push(Number(line));
  if (text === null) return false;
  try {
    if (statSync(path).nlink === 2) return true;
    const groups = entriesAt(path).filter(({ type }) => type === "directory");
    return groups.every(({ name }) => addProcesses(`${path}/${name}`, pids));
  } catch {
    return false;
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
function numberIn(path: string, directory?: number): number | undefined {
  const text = readAtOnce(path, directory);
  return text === null || text.trim() === "" ? undefined : Number(text);
}

/** "max", and what version 1 has for it, is no limit. */
const NO_LIMIT = 2 ** 62; // PAGE_COUNTER_MAX is a little above

function limitIn(path: string, directory?: number): number {
  const limit = numberIn(path, directory);
  return limit === undefined || Number.isNaN(limit) || limit > NO_LIMIT ? 0 : limit;
}

/** Never less than nothing: the figures are of two moments. */
const without = (usage: number | undefined, cache: number): number | undefined =>
  usage === undefined || cache >= usage ? usage : usage - cache;

function usageOfVersion2(path: string, known: Map<string, boolean>): GroupUsage | null {
  const slice = dirname(dirname(path)); // of a scope, in which the container's group is: no group has a controller that none above it gives
  const counts = known.get(slice) ?? COUNTING.test(readAtOnce(`${slice}/cgroup.subtree_control`) ?? "memory");
  known.set(slice, counts);
  if (!counts) return timeOf(readAtOnce(`${path}/cpu.stat`));
  let group: number;
  try {
    group = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY); // ten names deep: looked up once
  } catch {
    return null;
  }
  try {
    return usageIn(group);
  } finally {
    closeSync(group);
  }
}

/** Controllers that count what is shown; every group has the time of the CPU. */
const COUNTING = /\b(?:memory|pids|io)\b/;

/** Of cpu.stat, which each group has. */
function timeOf(cpu: string | null): GroupUsage | null {
  if (cpu === null) return null;
  return {
    cpuMicroseconds: keyed(cpu, "usage_usec"),
    systemMicroseconds: () => keyed(cpu, "system_usec"),
    memoryBytes: undefined,
    memoryLimitBytes: 0,
    processes: undefined,
    disk: undefined,
  };
}

function usageIn(group: number): GroupUsage | null {
  const time = timeOf(readAtOnce("cpu.stat", group));
  if (time === null) return null;
  const used = numberIn("memory.current", group);
  const cache = used === undefined ? 0 : keyed(readAtOnce("memory.stat", group), "inactive_file");
  const io = readAtOnce("io.stat", group);
  return {
    ...time,
    memoryBytes: without(used, cache),
    memoryLimitBytes: used === undefined ? 0 : limitIn("memory.max", group),
    processes: numberIn("pids.current", group),
    disk: io === null ? undefined : { readBytes: sumOf(io, "rbytes"), writtenBytes: sumOf(io, "wbytes") },
  };
}

/** Over all disks: `8:0 rbytes=1 wbytes=2 …` each. */
export function sumOf(text: string, key: string): number {
  return sumBehind(text, ` ${key}=`);
}

/** The number behind the first `key`; 0 where there is none. */
export function numberBehind(text: string, key: string): number {
  const at = text.indexOf(key);
  return at < 0 ? 0 : Number.parseInt(text.slice(at + key.length, at + key.length + DIGITS), 10) || 0;
}

/** The sum of the numbers that stand behind `key`. By hand: an expression for each container takes longer to make than the file to read. */
function sumBehind(text: string, key: string): number {
  let sum = 0;
  for (let at = text.indexOf(key); at >= 0; at = text.indexOf(key, at + 1))
    sum += Number.parseInt(text.slice(at + key.length, at + key.length + DIGITS), 10) || 0;
  return sum;
}

const DIGITS = 40; // of 64 bits, and blanks in front of them

const TICK_MICROSECONDS = 10_000; // of cpuacct.stat

function usageOfVersion1(paths: Readonly<Record<string, string>>): GroupUsage | null {
  const { cpuacct, memory, pids, blkio } = paths;
  const nanoseconds = cpuacct === undefined ? undefined : numberIn(`${cpuacct}/cpuacct.usage`);
  if (nanoseconds === undefined) return null; // a share of the CPU is what one looks for first: all is counted by the processes then
  const used = memory === undefined ? undefined : numberIn(`${memory}/memory.usage_in_bytes`);
  const io = blkio === undefined ? null : readAtOnce(`${blkio}/blkio.throttle.io_service_bytes`);
  return {
    cpuMicroseconds: nanoseconds / 1000,
    systemMicroseconds: () => keyed(readAtOnce(`${cpuacct}/cpuacct.stat`), "system") * TICK_MICROSECONDS,
    memoryBytes:
      used === undefined
        ? used
        : without(used, keyed(readAtOnce(`${memory}/memory.stat`), "total_inactive_file")),
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
  return sumBehind(text, ` ${operation} `);
}
