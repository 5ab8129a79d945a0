import { pruneContainers } from "../../container";
import { withReserve } from "../../state";
import { confirm } from "../_confirm";
import { filterFlag } from "../_flags";
import { timeOf } from "../_moment";
import { hasLabel, parseFilters, passesFilters } from "../output/filter";
import { humanSize } from "../output/size";
import { defineCommand } from "../tree";

const FILTERS = ["label", "label!", "until"];

const { alias: _short, ...filter } = filterFlag(FILTERS, "containers"); // -f is --force here, as docker has it

export const command = defineCommand({
  meta: {
    description: "Remove all containers that do not run",
    details: "Their ids are printed, and how many bytes they had written.",
    examples: [
      { command: "proa container prune", does: "after a question" },
      { command: "proa container prune -f --filter until=24h", does: "those older than a day, without one" },
    ],
    seeAlso: ["proa-rm(1)", "proa-system-prune(1)"],
  },
  args: {
    filter,
    force: { type: "boolean", alias: "f", description: "Ask nothing" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const filters = parseFilters(args.filter, FILTERS);
    const until = filters.get("until")?.map((value) => timeOf("filter until", value, context.now())) ?? [];
    if (!args.force) confirm(io, "remove containers", "This will remove all stopped containers.");
    const { removed, bytes } = await withReserve(context, () =>
      pruneContainers(context, (row) =>
        passesFilters(filters, {
          label: (value) => hasLabel(row.spec.Labels, value),
          "label!": (value) => !hasLabel(row.spec.Labels, value),
          until: () => until.every((time) => row.created_ms < time),
        }),
      ),
    );
    if (removed.length > 0)
      io.stdout.write(`Deleted Containers:\n${removed.map((id) => `${id}\n`).join("")}\n`);
    io.stdout.write(`Total reclaimed space: ${humanSize(bytes)}\n`);
  },
});
