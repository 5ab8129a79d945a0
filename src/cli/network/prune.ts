import { listContainers } from "../../container";
import { pruneNetworks } from "../../network";
import { withReserve } from "../../state";
import { confirm } from "../_confirm";
import { filterFlag } from "../_flags";
import { timeOf } from "../_moment";
import { hasLabel, parseFilters, passesFilters } from "../output/filter";
import { defineCommand } from "../tree";

const FILTERS = ["label", "label!", "until"];

const { alias: _short, ...filter } = filterFlag(FILTERS, "networks"); // -f is --force here, as docker has it

export const command = defineCommand({
  meta: {
    description: "Remove all networks that no container uses",
    details: "A container that does not run uses its networks, too. The predefined networks stay.",
    examples: [
      { command: "proa network prune -f", does: "without a question" },
      { command: "proa network prune --filter until=24h", does: "only those older than a day" },
    ],
    seeAlso: ["proa-network-rm(1)"],
  },
  args: {
    filter,
    force: { type: "boolean", alias: "f", description: "Ask nothing" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const filters = parseFilters(args.filter, FILTERS);
    const until = filters.get("until")?.map((value) => timeOf("filter until", value, context.now())) ?? [];
    if (!args.force) confirm(io, "remove networks", "This will remove all networks that no container uses.");
    await withReserve(context, () => listContainers(context, false)); // those of --rm that have ended hold no network
    const removed = await withReserve(context, async () =>
      pruneNetworks(context, ({ labels, createdMs }) =>
        passesFilters(filters, {
          label: (value) => hasLabel(labels, value),
          "label!": (value) => !hasLabel(labels, value),
          until: () => until.every((time) => createdMs < time),
        }),
      ),
    );
    if (removed.length > 0)
      io.stdout.write(`Deleted Networks:\n${removed.map((name) => `${name}\n`).join("")}\n`);
  },
});
