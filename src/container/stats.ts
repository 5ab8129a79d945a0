/** What containers use, counted from their processes and from netd. All processes of the host are looked at once, however many containers there are. */
import { closeSync, readFileSync } from "node:fs";
import { HelperError } from "../helper";
import { netdStatus } from "../network";
import type { ContainerRow, Context } from "../state";
import { openAlive } from "./alive";
import { processesByContainer } from "./processes";

/** What a container has used up to a moment; null where it does not run. */
export type Usage = {
  /** Of its processes and of their children that have ended; ticks of 1/100 s. */
  cpuTicks: number;
  /** Proportional set size of its processes. */
  memoryBytes: number;
  processes: number;
  /** Read from disks and written to them, by the processes that live. */
  disk: { readBytes: number; writtenBytes: number };
  /** Over all its networks since its start; null where netd does not count it, or does not answer. */
  network: { rxBytes: number; txBytes: number } | null;
};

/** The usage of each of these containers, by id, at one moment. */
export async function usageOf(
  context: Context,
  rows: readonly ContainerRow[],
): Promise<Map<string, Usage | null>> {
  const alive = new Map<string, number>();
  for (const row of rows) {
    const found = openAlive(context, row);
    if (!found) continue;
    closeSync(found.pidfd);
    alive.set(row.id, found.pid);
  }
  const asked = netdStatus(context).catch((error: unknown) => {
    if (error instanceof HelperError && error.facts.errno === "ETIMEDOUT") return null;
    throw error;
  });
  const owners = processesByContainer(alive); // now, however long netd takes
  const status = await asked;
  const traffic = new Map(
    (status?.containers ?? []).map(({ id, endpoints }) => [
      id,
      {
        rxBytes: endpoints.reduce((sum, { rxBytes }) => sum + rxBytes, 0),
        txBytes: endpoints.reduce((sum, { txBytes }) => sum + txBytes, 0),
      },
    ]),
  );
  return new Map(
    rows.map(({ id }): [string, Usage | null] => {
      const processes = owners.get(id);
      if (!processes) return [id, null];
      return [
        id,
        {
          cpuTicks: processes.reduce((sum, { ticks }) => sum + ticks, 0),
          memoryBytes: processes.reduce((sum, { pid }) => sum + memoryOf(pid), 0),
          processes: processes.length,
          disk: diskOf(processes.map(({ pid }) => pid)),
          network: traffic.get(id) ?? null,
        },
      ];
    }),
  );
}

function diskOf(pids: readonly number[]): Usage["disk"] {
  const disk = { readBytes: 0, writtenBytes: 0 };
  for (const pid of pids) {
    try {
      const text = readFileSync(`/proc/${pid}/io`, "latin1");
      disk.readBytes += Number(/^read_bytes: (\d+)/m.exec(text)?.[1] ?? 0);
      disk.writtenBytes += Number(/^write_bytes: (\d+)/m.exec(text)?.[1] ?? 0);
    } catch {
      // it has ended
    }
  }
  return disk;
}

function memoryOf(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0; // it has ended, or is a zombie
  }
}
