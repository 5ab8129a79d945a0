/** The processes of a container, as the host's ps shows them. */
import { closeSync } from "node:fs";
import { EngineError } from "../error";
import type { ContainerRow, Context } from "../state";
import { notRunning, openAlive } from "./alive";
import { tell } from "./journal";
import { processesByContainer } from "./processes";

/** Titles, and a row of texts for each process; the last column may hold blanks. */
export type ProcessTable = { titles: string[]; processes: string[][] };

/** What Docker asks ps for when the user says nothing. */
const PS_ARGS = ["-ef"];

/**
 * The container's processes. `psArgs` are ps(1)'s own, whose output must have a column PID, or names of podman's columns (top-descriptors.ts).
 * Throws `not-running`, `usage` with ps's own words.
 */
export function topContainer(context: Context, row: ContainerRow, psArgs: readonly string[]): ProcessTable {
  const { pids, first } = pidsOf(context, row);
  if (isWord(psArgs[0])) {
    const { areDescriptors, describeProcesses } = descriptors();
    if (areDescriptors(psArgs)) {
      tell(context, row, "top");
      return describeProcesses(pids, first, psArgs, context.now());
    }
  }
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
  tell(context, row, "top");
  const rows = lines.map((line) => cells(line, titles.length));
  return { titles, processes: rows.filter((cell) => pids.has(Number(cell[column]))) };
}

/** The words of a line; what is beyond the last column belongs to it. */
function cells(line: string, columns: number): string[] {
  const words = line.trim().split(/\s+/);
  return [...words.slice(0, columns - 1), words.slice(columns - 1).join(" ")];
}

/** Pids, in our own numbering, of the container's processes. */
function pidsOf(context: Context, row: ContainerRow): { pids: Set<number>; first: number } {
  const alive = openAlive(context, row);
  if (!alive) throw notRunning("list processes", row);
  closeSync(alive.pidfd);
  const processes = processesByContainer(new Map([[row.id, alive.pid]])).get(row.id) ?? [];
  return { pids: new Set(processes.map(({ pid }) => pid)), first: alive.pid };
}

/** Options of ps begin with a dash, or are letters in BSD's manner, which are no names of columns. */
function isWord(option: string | undefined): boolean {
  return option !== undefined && !option.startsWith("-");
}

function descriptors(): typeof import("./top-descriptors") {
  return require("./top-descriptors");
}
