import { readFileSync } from "node:fs";
import { findContainer, type ListedContainer, listContainers, type Usage, usageOf } from "../../container";
import type { ContainerRow } from "../../state";
import { rowFlags } from "../_flags";
import type { App } from "../app";
import { usageError } from "../args";
import { type Field, formatRows } from "../output/format";
import { humanSize, memorySize } from "../output/size";
import { defineCommand } from "../tree";
import { latestArg, newest } from "./_targets";

type Line = { row: ContainerRow; usage: Usage | null; cpuShare: number };

const NOTHING = "--"; // as docker shows it of what does not run

const of =
  (text: (usage: Usage, line: Line) => string, nothing = NOTHING) =>
  (line: Line): string =>
    line.usage === null ? nothing : text(line.usage, line);

const BOTH = `${NOTHING} / ${NOTHING}`;

/** All the memory of the host: no container has a limit of its own. */
let hostMemory: number | undefined;

function memoryLimit(): number {
  hostMemory ??=
    Number(/^MemTotal:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "latin1"))?.[1] ?? 0) * 1024;
  return hostMemory;
}

const fields: Record<string, Field<Line>> = {
  ID: { header: "CONTAINER ID", value: ({ row: { id } }, { noTrunc }) => (noTrunc ? id : id.slice(0, 12)) },
  Container: {
    header: "CONTAINER",
    value: ({ row: { id } }, { noTrunc }) => (noTrunc ? id : id.slice(0, 12)),
  },
  Name: { header: "NAME", value: ({ row }) => row.name },
  CPUPerc: { header: "CPU %", value: of((_, { cpuShare }) => `${(cpuShare * 100).toFixed(2)}%`) },
  MemUsage: {
    header: "MEM USAGE / LIMIT",
    value: of(({ memoryBytes }) => `${memorySize(memoryBytes)} / ${memorySize(memoryLimit())}`, BOTH),
  },
  MemPerc: {
    header: "MEM %",
    value: of(({ memoryBytes }) => `${((memoryBytes / Math.max(1, memoryLimit())) * 100).toFixed(2)}%`),
  },
  NetIO: {
    header: "NET I/O",
    value: of(
      ({ network }) =>
        network === null ? BOTH : `${humanSize(network.rxBytes, 3)} / ${humanSize(network.txBytes, 3)}`,
      BOTH,
    ),
  },
  BlockIO: {
    header: "BLOCK I/O",
    value: of(({ disk }) => `${humanSize(disk.readBytes, 3)} / ${humanSize(disk.writtenBytes, 3)}`, BOTH),
  },
  PIDs: { header: "PIDS", value: of(({ processes }) => String(processes)) },
  // podman's
  UpTime: {
    header: "UP TIME",
    isExtra: true,
    value: of((_, { row }) => `${Math.max(0, Math.trunc((Date.now() - row.started_ms) / 1000))}s`),
  },
  CPUNano: {
    header: "CPU NANO",
    isExtra: true,
    value: of(({ cpuTicks }) => String((cpuTicks / TICKS) * 1e9)),
  },
  AvgCPU: {
    header: "AVG CPU %",
    isExtra: true,
    value: of(({ cpuTicks }, { row }) => {
      const seconds = Math.max(0.01, (Date.now() - row.started_ms) / 1000);
      return `${((cpuTicks / TICKS / seconds) * 100).toFixed(2)}%`;
    }),
  },
};

const FIRST_MS = 250; // the shortest in which a share of the CPU says something
const TICKS = 100; // a second

export const command = defineCommand({
  meta: {
    description: "Show what containers use, again and again",
    details:
      "The figures are added up from the processes, not those of control groups: CPU in percent of one CPU, the memory that the processes have of their own and their part of what they share, bytes received and sent over all networks, the bytes that processes which live have read from disks and written to them, and the number of processes. The limit is the memory of the host. Bytes of networks are those of networks of proa's own; proa network stats tells them apart.",
    examples: [
      { command: "proa stats", does: "of all that run, until it is interrupted" },
      { command: "proa stats --no-stream --format '{{.Name}} {{.NetIO}}'", does: "once" },
    ],
    seeAlso: ["proa-network-stats(1)", "proa-top(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "Those that do not run, too" },
    "no-stream": { type: "boolean", description: "Show it once" },
    format: rowFlags.format,
    "no-trunc": rowFlags["no-trunc"],
    interval: {
      type: "int",
      alias: "i",
      valueHint: "SECONDS",
      default: 1,
      min: 1,
      description: "Time between two looks",
    },
    "no-reset": { type: "boolean", description: "Do not clear the terminal between two looks" },
    latest: latestArg,
    container: {
      type: "positional",
      rest: true,
      required: false,
      value: "running-container",
      description: "Only these, by name or id",
    },
  },
  async run({ app, args }) {
    if (args.latest && args.container.length > 0)
      throw usageError("names and --latest cannot be used together");
    const names = args.latest ? [(await newest(app, "show statistics of container")).id] : args.container;
    let last: Sample | undefined;
    for (let round = 0; ; round++) {
      const rows = await rowsOf(app, names, args.all);
      last ??= await sample(app, rows);
      await Bun.sleep(round === 0 ? FIRST_MS : args.interval * 1000);
      const now = await sample(app, rows);
      const lines = rows.map((row) => lineOf(row, last as Sample, now));
      const text = await formatRows(lines, {
        fields,
        columns: ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"],
        quietField: "ID",
        noTrunc: args["no-trunc"],
        format: args.format,
      });
      const isRedrawn = !args["no-stream"] && !args["no-reset"] && app.io.stdout.isTTY;
      app.io.stdout.write(isRedrawn ? `\x1b[H\x1b[2J${text}` : text);
      if (args["no-stream"]) return;
      last = now;
    }
  },
});

type Sample = { atMs: number; usages: Map<string, Usage | null> };

async function sample({ context }: App, rows: readonly ContainerRow[]): Promise<Sample> {
  return { atMs: performance.now(), usages: await usageOf(context, rows) };
}

async function rowsOf(
  { context }: App,
  names: readonly string[],
  all: boolean,
): Promise<(ContainerRow | ListedContainer)[]> {
  if (names.length === 0) return listContainers(context, all);
  return Promise.all(names.map((name) => findContainer(context, "show statistics of container", name)));
}

function lineOf(row: ContainerRow, before: Sample, now: Sample): Line {
  const usage = now.usages.get(row.id) ?? null;
  const earlier = before.usages.get(row.id);
  const ticks = usage && earlier ? Math.max(0, usage.cpuTicks - earlier.cpuTicks) : 0;
  return { row, usage, cpuShare: ((ticks / TICKS) * 1000) / Math.max(1, now.atMs - before.atMs) };
}
