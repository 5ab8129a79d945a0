/** Which processes are a container's, told by /proc. */
import { readdirSync } from "node:fs";
import { readAtOnce, readLink } from "../helper";

/** `ticks`: of the CPU, 1/100 s, with those of its children that have ended. */
export type Process = { pid: number; parent: number; namespace: string | null; ticks: number };

/**
 * The processes of each container: those in its mount namespace, which it shares with no other as it may a pid namespace, and all below them. All of the host are looked at once, however many containers there are.
 *
 * @param alive the pid of the first process, by container
 */
export function processesByContainer(alive: ReadonlyMap<string, number>): Map<string, Process[]> {
  const owners = new Map<string, Process[]>([...alive.keys()].map((id) => [id, []]));
  if (alive.size === 0) return owners;
  const processes = allProcesses();
  const firsts = new Map([...alive].map(([id, pid]) => [pid, id]));
  const own = namespaceOf("self");
  // an exec's process is in the container's namespace, but no child of its first one, and what has lost its parent may be none either
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
  const text = readAtOnce(`/proc/${pid}/stat`);
  if (text === null) return null; // it has ended
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { pid, parent: Number(fields[1]), namespace: namespaceOf(pid), ticks };
}

/** Null where it has ended, or is another user's. */
function namespaceOf(pid: number | "self"): string | null {
  return readLink(`/proc/${pid}/ns/mnt`);
}
