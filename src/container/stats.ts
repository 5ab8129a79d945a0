/**
 * What containers use: counted by their control groups, and by netd. What a group's controllers do not count is added up from its processes. Of a container that has no group of its own
 * they are found among all processes of the host, which are looked at once, however many such containers there are.
 */
import { closeSync, existsSync } from "node:fs";
import { join } from "node:path";
import { HelperError, readAtOnce } from "../helper";
import { netdStatus } from "../network";
import type { ContainerRow, Context } from "../state";
import { openAlive } from "./alive";
import { type GroupUsage, groupProcesses, groupUsage, numberBehind } from "./group-usage";
import { liveState } from "./live";
import { processesByContainer } from "./processes";

/** What a container has used up to a moment; null where it does not run. */
export type Usage = {
  /** Of this life. */
  startedMs: number;
  /** Of its group; else of its processes and of their children that have ended. */
  cpuMicroseconds: number;
  systemMicroseconds: () => number;
  /** Without inactive cache; of processes their proportional set size. */
  memoryBytes: number;
  /** 0: it has none. */
  memoryLimitBytes: number;
  /** Threads where its group counts them. */
  processes: number;
  /** Read from disks and written to them; without a group by the processes that live. */
  disk: { readBytes: number; writtenBytes: number };
  /** Over all its networks since its start; null where netd does not count it, or does not answer. */
  network: { rxBytes: number; txBytes: number } | null;
  /** Whether the group has counted the CPU's time, from the start on. */
  isOfGroup: boolean;
};

type Traffic = Map<string, { rxBytes: number; txBytes: number }>;

const TICK_MICROSECONDS = 10_000;

/** The usage of each of these containers, by id, at one moment. */
export async function usageOf(
  context: Context,
  rows: readonly ContainerRow[],
): Promise<Map<string, Usage | null>> {
  const groups = new Map<string, { startedMs: number; usage: GroupUsage }>();
  const members = new Map<string, number[]>(); // of groups that do not count all
  const alive = new Map<string, { pid: number; startedMs: number }>();
  const known = new Map<string, boolean>();
  const asked = trafficOf(context, rows);
  for (const row of rows) {
    if (row.status !== "running") continue;
    const live = liveState(context, row);
    const usage = live && live.pid !== 0 ? groupUsage(live, known) : null;
    if (live && usage) {
      groups.set(row.id, { startedMs: live.startedMs, usage });
      if (isWhole(usage)) continue;
      const pids = groupProcesses(live);
      if (pids) members.set(row.id, pids);
      if (pids) continue;
    }
    const found = openAlive(context, row);
    if (!found) continue;
    closeSync(found.pidfd);
    alive.set(row.id, found);
  }
  const owners = processesByContainer(new Map([...alive].map(([id, { pid }]) => [id, pid]))); // now, however long netd takes
  const counted = new Map<string, Omit<Usage, "network">>();
  for (const { id } of rows) {
    const group = groups.get(id);
    const processes = owners.get(id);
    const pids = members.get(id) ?? processes?.map(({ pid }) => pid);
    const startedMs = group?.startedMs ?? alive.get(id)?.startedMs ?? 0;
    if (!group && !processes) continue;
    const of = pids ? usageOfProcesses(pids) : null;
    counted.set(id, {
      startedMs,
      cpuMicroseconds: group?.usage.cpuMicroseconds ?? cpuOf(processes ?? []),
      systemMicroseconds: group?.usage.systemMicroseconds ?? (() => 0),
      memoryBytes: group?.usage.memoryBytes ?? of?.memoryBytes() ?? 0,
      memoryLimitBytes: group?.usage.memoryLimitBytes ?? 0,
      processes: group?.usage.processes ?? of?.processes ?? 0,
      disk: group?.usage.disk ?? of?.disk() ?? { readBytes: 0, writtenBytes: 0 },
      isOfGroup: group !== undefined,
    });
  }
  const traffic = await asked;
  return new Map(
    rows.map(({ id }): [string, Usage | null] => {
      const usage = counted.get(id);
      return [id, usage ? { ...usage, network: traffic.get(id) ?? null } : null];
    }),
  );
}

function isWhole({ memoryBytes, processes, disk }: GroupUsage): boolean {
  return memoryBytes !== undefined && processes !== undefined && disk !== undefined;
}

async function trafficOf(context: Context, rows: readonly ContainerRow[]): Promise<Traffic> {
  // while no container is connected there is no netd, and no program is started to ask it
  if (rows.length === 0 || !existsSync(join(context.paths.runtime, "netd.sock"))) return new Map();
  const status = await netdStatus(context).catch((error: unknown) => {
    if (error instanceof HelperError && error.facts.errno === "ETIMEDOUT") return null;
    throw error;
  });
  return new Map(
    (status?.containers ?? []).map(({ id, endpoints }) => [
      id,
      {
        rxBytes: endpoints.reduce((sum, { rxBytes }) => sum + rxBytes, 0),
        txBytes: endpoints.reduce((sum, { txBytes }) => sum + txBytes, 0),
      },
    ]),
  );
}

function cpuOf(processes: readonly { ticks: number }[]): number {
  return processes.reduce((sum, { ticks }) => sum + ticks, 0) * TICK_MICROSECONDS;
}

/** What is read for each process is read when it is asked for. */
function usageOfProcesses(pids: readonly number[]) {
  return {
    memoryBytes: () => pids.reduce((sum, pid) => sum + memoryOf(pid), 0),
    processes: pids.length,
    disk: () => diskOf(pids),
  };
}

function diskOf(pids: readonly number[]): Usage["disk"] {
  const disk = { readBytes: 0, writtenBytes: 0 };
  for (const pid of pids) {
    const text = readAtOnce(`/proc/${pid}/io`) ?? ""; // it has ended
    disk.readBytes += numberBehind(text, "\nread_bytes: ");
    disk.writtenBytes += numberBehind(text, "\nwrite_bytes: ");
  }
  return disk;
}

function memoryOf(pid: number): number {
  const text = readAtOnce(`/proc/${pid}/smaps_rollup`) ?? ""; // it has ended, or is a zombie
  return numberBehind(text, "\nPss: ") * 1024;
}
