/** The processes of a container, as the host's ps shows them. */
import { closeSync } from "node:fs";
import { EngineError } from "../error";
import type { ContainerRow, Context } from "../state";
import { notRunning, openAlive } from "./alive";
import { processesByContainer } from "./processes";

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

/** Pids, in our own numbering, of the container's processes. */
function pidsOf(context: Context, row: ContainerRow): Set<number> {
  const alive = openAlive(context, row);
  if (!alive) throw notRunning("list processes", row);
  closeSync(alive.pidfd);
  const processes = processesByContainer(new Map([[row.id, alive.pid]])).get(row.id) ?? [];
  return new Set(processes.map(({ pid }) => pid));
}
