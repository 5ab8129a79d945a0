import { type ListedContainer, listContainers } from "../../container";
import { filterFlag, rowFlags } from "../_flags";
import type { App } from "../app";
import { usageError } from "../args";
import { parseFilters, passesFilters } from "../output/filter";
import { formatRows } from "../output/format";
import { defineCommand, type Values } from "../tree";
import { CONTAINER_FILTERS } from "./filter-keys";
import { NAMESPACE_COLUMNS, PS_COLUMNS, type PsRow, psFields } from "./ps-fields";

const SORTS = ["command", "created", "id", "image", "names", "runningfor", "size", "status"] as const;

const args = {
  all: { type: "boolean", alias: "a", description: "List those that do not run, too" },
  filter: filterFlag(CONTAINER_FILTERS, "containers"),
  ...rowFlags,
  last: {
    type: "int",
    alias: "n",
    valueHint: "NUMBER",
    default: -1,
    description: "Only the newest, whatever their status",
  },
  latest: { type: "boolean", alias: "l", description: "Only the newest one" },
  size: { type: "boolean", alias: "s", description: "How much each has written, and all that it sees" },
  sort: { type: "string", valueHint: "FIELD", value: { oneOf: SORTS }, description: "Order by a field" },
  ns: { type: "boolean", hiddenNames: ["namespace"], description: "Show the namespaces" },
  pod: { type: "boolean", alias: "p", description: "Show the pods, of which proa has none" },
  external: {
    type: "boolean",
    description: "List containers of other programs in the same store, too; proa's has none",
  },
  sync: { type: "boolean", description: "Look at what lives first; every list does" },
  watch: { type: "int", alias: "w", valueHint: "SECONDS", min: 1, description: "Show it again and again" },
} as const;

export const command = defineCommand({
  meta: {
    description: "List containers",
    details:
      "Those that run; with --all the created and the ended ones too, newest first. Of several filters with one key one must hold (of labels each), of several keys each. --format json prints an object a line, as docker does. On a terminal that is too narrow for the table its cells are shortened, and the columns of least use are left out; in a pipe, and with --no-trunc, all is whole.",
    examples: [
      { command: "proa ps -a", does: "list all containers" },
      { command: "proa ps -aq --filter status=exited", does: "ids of those that have ended" },
      { command: "proa ps --format '{{.Names}}: {{.Status}}'", does: "a line of one's own for each" },
    ],
    seeAlso: ["proa-inspect(1)"],
  },
  args,
  fields: async () => Object.keys((await import("./ps-fields")).psFields(0)),
  async run({ app, args }) {
    if (args.size && args.ns) throw usageError("--size and --ns cannot be used together");
    for (;;) {
      const text = await listing(app, args);
      if (args.watch === undefined) {
        app.io.stdout.write(text);
        return;
      }
      app.io.stdout.write(app.io.stdout.isTTY ? `\x1b[H\x1b[2J${text}` : text);
      await Bun.sleep(args.watch * 1000);
    }
  },
});

type PsValues = Values<typeof args>;

async function listing(app: App, args: PsValues): Promise<string> {
  const { context } = app;
  const filters = parseFilters(args.filter, CONTAINER_FILTERS);
  const last = args.latest ? 1 : args.last;
  const all = args.all || last >= 0 || filters.has("status") || filters.has("exited");
  const listed = await listContainers(context, all);
  const tests = filters.size > 0 ? await (await import("./_filters")).containerTests(app, filters) : null;
  const kept: PsRow[] = tests ? listed.filter((row) => passesFilters(filters, tests(row))) : listed;
  const rows = last >= 0 ? kept.slice(0, last) : kept;
  if (!args.quiet && (args.size || args.sort === "size" || args.format?.includes(".Size"))) {
    await (await import("./_sizes")).measure(context, rows);
  }
  if (args.sort !== undefined) rows.sort(orders[args.sort]);
  const columns = args.ns ? NAMESPACE_COLUMNS : PS_COLUMNS;
  return formatRows(rows, {
    fields: psFields(context.now()),
    columns: [...columns, ...(args.pod ? ["Pod", "PodName"] : []), ...(args.size ? ["Size"] : [])],
    quietField: "ID",
    quiet: args.quiet,
    noTrunc: args["no-trunc"],
    noHeading: args.noheading,
    on: app.io.stdout,
    format: args.format,
  });
}

const byText = (text: (row: ListedContainer) => string) => (a: PsRow, b: PsRow) =>
  text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0;

const orders: Record<(typeof SORTS)[number], (a: PsRow, b: PsRow) => number> = {
  command: byText(({ command }) => command),
  created: (a, b) => a.created_ms - b.created_ms,
  id: byText(({ id }) => id),
  image: byText(({ image_ref }) => image_ref),
  names: byText(({ name }) => name),
  runningfor: (a, b) => b.created_ms - a.created_ms,
  size: (a, b) => (a.size?.all ?? 0) - (b.size?.all ?? 0),
  status: byText(({ status }) => status),
};
