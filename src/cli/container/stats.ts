import { readFileSync } from "node:fs";
import {
  findContainer,
  type ListedContainer,
  listContainers,
  listWithUsage,
  tellOnce,
  type Usage,
  type Usages,
  usageOf,
} from "../../container";
import type { ContainerRow } from "../../state";
import { needStdout } from "../_closed";
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

/** All the memory of the host: the limit of a container that has none of its own, or a higher one. */
let hostMemory: number | undefined;

function memoryLimit({ memoryLimitBytes }: Usage): number {
  const host = memoryOfHost();
  return memoryLimitBytes > 0 && memoryLimitBytes < host ? memoryLimitBytes : host;
}

function memoryOfHost(): number {
  hostMemory ??=
    Number(/^MemTotal:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0) * 1024;
  return hostMemory;
}

const fields: Record<string, Field<Line>> = {
  ID: {
    header: "CONTAINER ID",
    isWhole: true,
    value: ({ row: { id } }, { noTrunc }) => (noTrunc ? id : id.slice(0, 12)),
  },
  Container: {
    header: "CONTAINER",
    value: ({ row: { id } }, { noTrunc }) => (noTrunc ? id : id.slice(0, 12)),
  },
  Name: { header: "NAME", isWhole: true, value: ({ row }) => row.name },
  CPUPerc: { header: "CPU %", value: of((_, { cpuShare }) => `${(cpuShare * 100).toFixed(2)}%`) },
  MemUsage: {
    header: "MEM USAGE / LIMIT",
    value: of((usage) => `${memorySize(usage.memoryBytes)} / ${memorySize(memoryLimit(usage))}`, BOTH),
  },
  MemPerc: {
    header: "MEM %",
    value: of((usage) => `${memoryShare(usage).toFixed(2)}%`),
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
  CPU: { header: "CPU %", isExtra: true, value: of((_, { cpuShare }) => `${(cpuShare * 100).toFixed(2)}%`) },
  MemUsageBytes: {
    header: "MEM USAGE / LIMIT",
    isExtra: true,
    value: of((usage) => `${usage.memoryBytes}B / ${memoryLimit(usage)}B`, BOTH),
  },
  MemLimit: { header: "MEM LIMIT", isExtra: true, value: of((usage) => String(memoryLimit(usage)), "0") },
  NetInput: {
    header: "NET INPUT",
    isExtra: true,
    value: of(({ network }) => String(network?.rxBytes ?? 0), "0"),
  },
  NetOutput: {
    header: "NET OUTPUT",
    isExtra: true,
    value: of(({ network }) => String(network?.txBytes ?? 0), "0"),
  },
  BlockInput: { header: "BLOCK INPUT", isExtra: true, value: of(({ disk }) => String(disk.readBytes), "0") },
  BlockOutput: {
    header: "BLOCK OUTPUT",
    isExtra: true,
    value: of(({ disk }) => String(disk.writtenBytes), "0"),
  },
  PIDS: { header: "PIDS", isExtra: true, value: of(({ processes }) => String(processes)) },
  ContainerID: { header: "CONTAINER ID", isExtra: true, value: ({ row }) => row.id },
  UpTime: { header: "UP TIME", isExtra: true, value: of((usage) => `${Math.trunc(secondsOf(usage))}s`) },
  Duration: {
    header: "DURATION",
    isExtra: true,
    value: of((usage) => String(Math.trunc(secondsOf(usage) * 1e9)), "0"),
  },
  CPUNano: {
    header: "CPU NANO",
    isExtra: true,
    value: of(({ cpuMicroseconds }) => String(Math.trunc(cpuMicroseconds * 1000))),
  },
  CPUSystemNano: {
    header: "CPU SYSTEM NANO",
    isExtra: true,
    value: of(({ systemMicroseconds }) => String(Math.trunc(systemMicroseconds * 1000))),
  },
  SystemNano: { header: "SYSTEM NANO", isExtra: true, value: of(() => String(Date.now() * 1e6)) },
  AvgCPU: {
    header: "AVG CPU %",
    isExtra: true,
    value: of((usage) => `${(sinceStart(usage) * 100).toFixed(2)}%`),
  },
};

/** Of the limit, in percent. */
function memoryShare(usage: Usage): number {
  return (usage.memoryBytes / Math.max(1, memoryLimit(usage))) * 100;
}

function secondsOf({ startedMs }: Usage): number {
  return Math.max(0, (Date.now() - startedMs) / 1000);
}

/** The share of a CPU, over its whole life. */
function sinceStart(usage: Usage): number {
  return usage.cpuMicroseconds / 1e6 / Math.max(0.01, secondsOf(usage));
}

const FIRST_MS = 250; // the shortest in which a share of the CPU says something

export const command = defineCommand({
  meta: {
    description: "Show what containers use, again and again",
    details:
      "The figures are those of the container's control group: CPU in percent of one CPU, memory without the cache that was not used lately, bytes received and sent over all networks, bytes read from disks and written to them, and the number of processes and threads. The limit of memory is the container's, else the host's. With --no-stream the share of the CPU is that since the container's start, with --interval in addition that of so many seconds. Of a container without a control group of its own the figures are added up from its processes. Bytes of networks are those of networks of proa's own; proa network stats tells them apart.",
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
    noheading: rowFlags.noheading,
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
  fields: () => Object.keys(fields),
  async run({ app, args, given }) {
    if (args.latest && args.container.length > 0)
      throw usageError("names and --latest cannot be used together");
    if (!args["no-stream"]) needStdout();
    const names = args.latest ? [(await newest(app, "show statistics of container")).id] : args.container;
    const list = (): Promise<Row[]> => rowsOf(app, names, args.all);
    let { rows, usage: last } = await first(app, names, list);
    if (!isOfGroups(last)) tellOnce(app.context, "stats-of-processes", whyProcesses);
    for (let isFirst = true; ; isFirst = false) {
      if (!isFirst) rows = await list();
      // what a group counts, it counts from the start on: nothing has to be waited for
      const isKnown = isFirst && args["no-stream"] && !given.has("interval") && isOfGroups(last);
      if (!isKnown) await Bun.sleep(isFirst && !given.has("interval") ? FIRST_MS : args.interval * 1000);
      const now = isKnown ? last : await usageOf(app.context, rows);
      const lines = rows.map((row) => lineOf(row, isKnown ? null : last, now));
      const text = await formatRows(lines, {
        fields,
        columns: ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"],
        quietField: "ID",
        noTrunc: args["no-trunc"],
        noHeading: args.noheading,
        on: app.io.stdout,
        format: args.format,
      });
      const isRedrawn = !args["no-stream"] && !args["no-reset"] && app.io.stdout.isTTY;
      app.io.stdout.write(isRedrawn ? `\x1b[H\x1b[2J${text}` : text);
      if (args["no-stream"]) return;
      last = now;
    }
  },
});

const whyProcesses = (): string =>
  "there are containers without a control group of their own: their figures are added up from their processes";

function isOfGroups(usages: Usages): boolean {
  return [...usages.values()].every(({ isOfGroup }) => isOfGroup);
}

type Row = ContainerRow | ListedContainer;

async function first(
  { context }: App,
  names: readonly string[],
  list: () => Promise<Row[]>,
): Promise<{ rows: Row[]; usage: Usages }> {
  if (names.length === 0) return listWithUsage(context, list);
  const rows = await list();
  return { rows, usage: await usageOf(context, rows) };
}

async function rowsOf({ context }: App, names: readonly string[], all: boolean): Promise<Row[]> {
  if (names.length === 0) return listContainers(context, all);
  return Promise.all(names.map((name) => findContainer(context, "show statistics of container", name)));
}

/** BEFORE null: over its whole life. */
function lineOf(row: ContainerRow, before: Usages | null, now: Usages): Line {
  const usage = now.get(row.id) ?? null;
  if (before === null) return { row, usage, cpuShare: usage ? sinceStart(usage) : 0 };
  const earlier = before.get(row.id);
  if (!usage || earlier?.startedMs !== usage.startedMs) return { row, usage, cpuShare: 0 }; // no life that both have seen
  const microseconds = Math.max(0, usage.cpuMicroseconds - earlier.cpuMicroseconds);
  return {
    row,
    usage,
    cpuShare: microseconds / Math.max(1000, usage.atMicroseconds - earlier.atMicroseconds),
  };
}
