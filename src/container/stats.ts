/** What containers use, counted from their processes and from netd. All processes of the host are looked at once, however many containers there are. */
import { closeSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { HelperError } from "../helper";
import { netdStatus } from "../network";
import type { ContainerRow, Context } from "../state";
import { openAlive } from "./alive";

/** What a container has used up to a moment; null where it does not run. */
export type Usage = {
  /** Of its processes and of their children that have ended; ticks of 1/100 s. */
  cpuTicks: number;
  /** Proportional set size of its processes. */
  memoryBytes: number;
  processes: number;
  /** Over all its networks since its start; null where netd does not count it, or does not answer. */
  network: { rxBytes: number; txBytes: number } | null;
};

type Process = { pid: number; parent: number; namespace: string | null; ticks: number };

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
          network: traffic.get(id) ?? null,
        },
      ];
    }),
  );
}

/** The processes below each container's first one. */
function processesByContainer(alive: ReadonlyMap<string, number>): Map<string, Process[]> {
  const owners = new Map<string, Process[]>([...alive.keys()].map((id) => [id, []]));
  if (alive.size === 0) return owners;
  const processes = allProcesses();
  const firsts = new Map([...alive].map(([id, pid]) => [pid, id]));
  const own = namespaceOf("self");
  // an exec's process is in the container's namespace, but no child of its first one
  const namespaces = new Map<string, string>();
  for (const [id, pid] of alive) {
    const namespace = processes.get(pid)?.namespace ?? null;
    if (namespace !== null && namespace !== own) namespaces.set(namespace, id);
  }
  for (const process of processes.values()) {
    const id = ownerOf(process, processes, firsts, namespaces);
    if (id !== undefined) owners.get(id)?.push(process);
  }
  return owners;
}

const DEPTH = 1000; // of parents: the tree may change while it is read

function ownerOf(
  process: Process,
  processes: ReadonlyMap<number, Process>,
  firsts: ReadonlyMap<number, string>,
  namespaces: ReadonlyMap<string, string>,
): string | undefined {
  let each: Process | undefined = process;
  for (let depth = 0; each !== undefined && depth < DEPTH; depth++) {
    const id = firsts.get(each.pid) ?? (each.namespace === null ? undefined : namespaces.get(each.namespace));
    if (id !== undefined) return id;
    each = processes.get(each.parent);
  }
  return undefined;
}

function allProcesses(): Map<number, Process> {
  const found = new Map<number, Process>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const process = processAt(pid);
    if (process) found.set(pid, process);
  }
  return found;
}

/** Fields of `/proc/PID/stat` behind the name, which may hold anything: 2 parent, 12 to 15 times (proc(5), counted from state as 1). */
function processAt(pid: number): Process | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null; // it has ended
  }
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { pid, parent: Number(fields[1]), namespace: namespaceOf(pid), ticks };
}

function namespaceOf(pid: number | "self"): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return null; // it has ended, or is another user's
  }
}

function memoryOf(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0; // it has ended, or is a zombie
  }
}
