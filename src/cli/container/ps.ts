import {
  describePorts,
  EXIT_UNKNOWN,
  findContainer,
  type ListedContainer,
  listContainers,
} from "../../container";
import { EngineError } from "../../error";
import { filterFlag, rowFlags } from "../_flags";
import type { App } from "../app";
import { type Filters, hasLabel, matchesName, parseFilters, passesFilters } from "../output/filter";
import { type Field, formatRows } from "../output/format";
import { humanDuration, localTime, timeAgo } from "../output/time";
import { defineCommand } from "../tree";

const COMMAND_WIDTH = 20; // characters, as docker shows it

const fields = (nowMs: number): Record<string, Field<ListedContainer>> => ({
  ID: { header: "CONTAINER ID", value: ({ id }, { noTrunc }) => (noTrunc ? id : id.slice(0, 12)) },
  Image: { header: "IMAGE", value: ({ image_ref }) => image_ref },
  Command: {
    header: "COMMAND",
    value: ({ command }, { noTrunc }) => `"${noTrunc ? command : shorten(command)}"`,
  },
  CreatedAt: { header: "CREATED AT", value: ({ created_ms }) => localTime(created_ms) },
  RunningFor: { header: "CREATED", value: ({ created_ms }) => timeAgo(created_ms, nowMs) },
  Status: { header: "STATUS", value: (row) => statusOf(row, nowMs) },
  State: { header: "STATE", value: ({ status }) => status },
  Ports: { header: "PORTS", value: portsOf },
  Names: { header: "NAMES", value: ({ name }) => name },
  Labels: {
    header: "LABELS",
    value: ({ spec }) =>
      Object.entries(spec.Labels)
        .map((pair) => pair.join("="))
        .join(","),
  },
  Label: {
    header: "",
    value:
      ({ spec }) =>
      (key: unknown) =>
        spec.Labels[String(key)] ?? "",
  },
  Mounts: {
    header: "MOUNTS",
    value: ({ spec }) => spec.HostConfig.Binds.map((bind) => bind.split(":")[0]).join(","),
  },
  Networks: { header: "NETWORKS", value: ({ networks }) => networks.join(",") },
});

const COLUMNS = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
const FILTERS = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "id",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
];

export const command = defineCommand({
  meta: {
    description: "List containers",
    details: "Those that run; with --all the created and the ended ones too, newest first.",
    examples: [
      { command: "proa ps -a", does: "list all containers" },
      { command: "proa ps -aq --filter status=exited", does: "ids of those that have ended" },
      { command: "proa ps --format '{{.Names}}: {{.Status}}'", does: "a line of one's own for each" },
    ],
    seeAlso: ["proa-inspect(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "List those that do not run, too" },
    filter: filterFlag(FILTERS, "containers"),
    ...rowFlags,
    last: {
      type: "int",
      alias: "n",
      valueHint: "NUMBER",
      default: -1,
      description: "Only the newest, whatever their status",
    },
    latest: { type: "boolean", alias: "l", description: "Only the newest one" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const filters = parseFilters(args.filter, FILTERS);
    const last = args.latest ? 1 : args.last;
    const all = args.all || last >= 0 || filters.has("status") || filters.has("exited");
    const rows = await listContainers(context, all);
    const tests = filters.size > 0 ? await testsFor(app, filters) : null;
    const kept = tests ? rows.filter((row) => passesFilters(filters, tests(row))) : rows;
    const text = await formatRows(last >= 0 ? kept.slice(0, last) : kept, {
      fields: fields(context.now()),
      columns: COLUMNS,
      quietField: "ID",
      quiet: args.quiet,
      noTrunc: args["no-trunc"],
      format: args.format,
    });
    io.stdout.write(text);
  },
});

/** Only a container that runs has ports: what it has published, and what it names without. */
function portsOf(row: ListedContainer): string {
  return row.status === "running" ? describePorts(row.openPorts, Object.keys(row.spec.ExposedPorts)) : "";
}

/** `bridge` is the name that docker has for the default network. */
function isInNetwork(row: ListedContainer, value: string): boolean {
  return row.networks.includes(value === "bridge" ? "proa" : value);
}

/** The container's ports that are published, each as `80/tcp`. */
function publishedOf({ spec }: ListedContainer): string[] {
  return Object.keys(spec.HostConfig.PortBindings);
}

function shorten(text: string): string {
  return text.length > COMMAND_WIDTH ? `${text.slice(0, COMMAND_WIDTH - 1)}…` : text;
}

function statusOf(row: ListedContainer, nowMs: number): string {
  switch (row.status) {
    case "created":
      return "Created";
    case "running":
      return `Up ${humanDuration(nowMs - row.started_ms)}`;
    case "exited": {
      const code = row.exit_code === EXIT_UNKNOWN ? "unknown" : row.exit_code;
      return `Exited (${code}) ${timeAgo(row.finished_ms, nowMs)}`;
    }
  }
}

type Test = (value: string) => boolean;

async function testsFor(app: App, filters: Filters): Promise<(row: ListedContainer) => Record<string, Test>> {
  const statuses = ["created", "running", "exited"];
  const wrong = filters.get("status")?.find((status) => !statuses.includes(status));
  if (wrong !== undefined) {
    throw new EngineError(
      "invalid",
      "filter",
      `status=${wrong}`,
      `a status is one of ${statuses.join(", ")}`,
    );
  }
  const noNumber = filters.get("exited")?.find((code) => !/^\d{1,3}$/.test(code));
  if (noNumber !== undefined) {
    throw new EngineError("invalid", "filter", `exited=${noNumber}`, "expected an exit status, 0 to 255");
  }
  const edge = async (key: string) => {
    const name = filters.get(key)?.at(-1);
    return name === undefined ? undefined : (await findContainer(app.context, "filter", name)).created_ms;
  };
  const before = await edge("before");
  const since = await edge("since");
  const ports = new Map<string, readonly string[]>(); // what a filter means: each as `80/tcp`
  for (const value of [...(filters.get("publish") ?? []), ...(filters.get("expose") ?? [])]) {
    const { parseExposed } = await import("../../oci");
    ports.set(value, parseExposed(value));
  }
  const hasPort = (value: string, all: readonly string[]) =>
    (ports.get(value) ?? []).some((port) => all.includes(port));
  return (row) => ({
    id: (value) => row.id.startsWith(value),
    name: (value) => matchesName(row.name, value),
    status: (value) => row.status === value,
    exited: (value) => row.status === "exited" && row.exit_code === Number(value),
    label: (value) => hasLabel(row.spec.Labels, value),
    network: (value) => isInNetwork(row, value),
    publish: (value) => hasPort(value, publishedOf(row)),
    expose: (value) => hasPort(value, [...Object.keys(row.spec.ExposedPorts), ...publishedOf(row)]),
    ancestor: (value) => isFrom(row, value),
    before: () => before !== undefined && row.created_ms < before,
    since: () => since !== undefined && row.created_ms > since,
  });
}

function isFrom(row: ListedContainer, image: string): boolean {
  const id = row.image_id?.replace("sha256:", "") ?? "";
  const asked = image.replace("sha256:", "");
  return (
    row.image_ref === image ||
    row.image_ref === `${image}:latest` ||
    (/^[0-9a-f]{6,}$/.test(asked) && id.startsWith(asked))
  );
}
