/** The processes of a container, as the host's ps shows them. */
import { closeSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { EngineError } from "../error";
import type { ContainerRow, Context } from "../state";
import { notRunning, openAlive } from "./alive";

/** Titles, and a row of texts for each process; the last column may hold blanks. */
export type ProcessTable = { titles: string[]; processes: string[][] };

/** What Docker asks ps for when the user says nothing. */
const PS_ARGS = ["-ef"];

/**
 * The container's processes: those of its pid namespace and of the namespaces nested in it. `psArgs` are ps(1)'s own; its output must have a column PID.
 * Throws `not-running`, `usage` with ps's own words.
 */
export function topContainer(context: Context, row: ContainerRow, psArgs: readonly string[]): ProcessTable {
  const pids = pidsOf(context, row);
  const ps = Bun.which("ps");
  if (ps === null) {
    throw new EngineError("not-found", "list processes", "ps", "this program is not installed", {
      hint: "install procps",
    });
  }
  const args = psArgs.length > 0 ? [...psArgs] : PS_ARGS;
  const listed = Bun.spawnSync([ps, ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  if (listed.exitCode !== 0) {
    const [why = ""] = listed.stderr
      .toString()
      .split("\n")
      .filter((line) => line.trim() !== "");
    throw new EngineError("usage", "list processes", `ps ${args.join(" ")}`, why || "ps failed");
  }
  const [head = "", ...lines] = listed.stdout.toString().trimEnd().split("\n");
  const titles = head.trim().split(/\s+/);
  const column = titles.indexOf("PID");
  if (column < 0) {
    throw new EngineError("usage", "list processes", `ps ${args.join(" ")}`, "its output has no column PID");
  }
  const rows = lines.map((line) => cells(line, titles.length));
  return { titles, processes: rows.filter((cell) => pids.has(Number(cell[column]))) };
}

/** The words of a line; what is beyond the last column belongs to it. */
function cells(line: string, columns: number): string[] {
  const words = line.trim().split(/\s+/);
  return [...words.slice(0, columns - 1), words.slice(columns - 1).join(" ")];
}

/** Pids, in our own numbering, of the processes in the container's pid namespace or in one below it. */
function pidsOf(context: Context, row: ContainerRow): Set<number> {
  const alive = openAlive(context, row);
  if (!alive) throw notRunning("list processes", row);
  try {
    const wanted = namespaceOf(alive.pid);
    const shared = wanted === namespaceOf("self"); // --pid host: then only its own children are its processes
    const parents = new Map<number, number>();
    const found = new Set<number>([alive.pid]);
    for (const name of readdirSync("/proc")) {
      const pid = Number(name);
      if (!Number.isInteger(pid)) continue;
      if (!shared && namespaceOf(pid) === wanted) found.add(pid);
      parents.set(pid, parentOf(pid));
    }
    for (const pid of parents.keys()) if (descends(pid, found, parents)) found.add(pid);
    return found;
  } finally {
    closeSync(alive.pidfd);
  }
}

function namespaceOf(pid: number | "self"): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return null; // it has ended, or is another user's
  }
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function descends(pid: number, found: ReadonlySet<number>, parents: ReadonlyMap<number, number>): boolean {
  for (let each = pid; each > 0; each = parents.get(each) ?? 0) if (found.has(each)) return true;
  return false;
}
