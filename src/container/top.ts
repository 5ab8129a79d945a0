/** The processes of a container, as the host's ps shows them. */
import { EngineError } from "../error";
import { callHelper, type MembersRecord } from "../helper";
import type { ContainerRow, Context } from "../state";
import { notRunning } from "./alive";
import { tell } from "./journal";
import { runDirectory } from "./places";

/** Titles, and a row of texts for each process; the last column may hold blanks. */
export type ProcessTable = { titles: string[]; processes: string[][] };

/** What Docker asks ps for when the user says nothing. */
const PS_ARGS = ["-ef"];

/**
 * The container's processes. `psArgs` are ps(1)'s own, whose output must have a column PID, or names of podman's columns (top-descriptors.ts).
 * Throws `not-running`, `usage` with ps's own words.
 */
export async function topContainer(
  context: Context,
  row: ContainerRow,
  psArgs: readonly string[],
): Promise<ProcessTable> {
  const members = await membersOf(context, row);
  const pids = new Set(members.pids);
  if (isWord(psArgs[0])) {
    const { areDescriptors, describeProcesses } = descriptors();
    if (areDescriptors(psArgs)) {
      tell(context, row, "top");
      return describeProcesses(pids, members.first, psArgs, context.now());
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

async function membersOf(context: Context, row: ContainerRow): Promise<MembersRecord> {
  const runDirs = [runDirectory(context, row.id)];
  const { containers } = await callHelper(context.paths.cache, "processes", { runDirs });
  const members = containers[row.id];
  if (!members) throw notRunning("list processes", row);
  return members;
}

/** Options of ps begin with a dash, or are letters in BSD's manner, which are no names of columns. */
function isWord(option: string | undefined): boolean {
  return option !== undefined && !option.startsWith("-");
}

function descriptors(): typeof import("./top-descriptors") {
  return require("./top-descriptors");
}
