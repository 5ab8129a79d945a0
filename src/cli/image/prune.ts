import { listContainers } from "../../container";
import { pruneImages } from "../../image";
import { withReserve } from "../../state";
import { collectGarbage } from "../../storage";
import { confirm } from "../_confirm";
import { filterFlag } from "../_flags";
import { timeOf } from "../_moment";
import { hasLabel, isTrue, parseFilters, passesFilters } from "../output/filter";
import { humanSize } from "../output/size";
import { defineCommand } from "../tree";

const FILTERS = ["dangling", "label", "label!", "until"];

const { alias: _short, ...filter } = filterFlag(FILTERS, "images"); // -f is --force here, as docker has it

export const command = defineCommand({
  meta: {
    description: "Remove images that nothing uses",
    details: "Those without a name, or with --all every one that no container was made of.",
    examples: [
      { command: "proa image prune", does: "after a question" },
      { command: "proa image prune -af --filter until=24h", does: "those older than a day, without one" },
    ],
    seeAlso: ["proa-rmi(1)", "proa-system-prune(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "All that no container uses, with a name, too" },
    external: {
      type: "boolean",
      description: "Those that only containers of other programs use, too; proa's store has none",
    },
    filter,
    force: { type: "boolean", alias: "f", description: "Ask nothing" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const filters = parseFilters(args.filter, FILTERS);
    const until = filters.get("until")?.map((value) => timeOf("filter until", value, context.now())) ?? [];
    const dangling = filters
      .get("dangling")
      ?.map((value) => isTrue("dangling", value))
      .at(-1);
    const all = args.all || dangling === false; // docker's older spelling of --all
    if (!args.force) {
      confirm(
        io,
        "remove images",
        `This will remove all ${all ? "images without at least one container associated to them" : "dangling images"}.`,
      );
    }
    await withReserve(context, () => listContainers(context, false)); // those of --rm that have ended hold nothing
    const { removed, bytes } = await withReserve(context, () =>
      pruneImages(context, {
        all,
        wanted: ({ labels, createdMs }) =>
          passesFilters(filters, {
            label: (value) => hasLabel(labels, value),
            "label!": (value) => !hasLabel(labels, value),
            until: () => until.every((time) => createdMs < time),
          }),
      }),
    );
    await collectGarbage(context);
    if (removed.length > 0) {
      io.stdout.write(`Deleted Images:\n${removed.map(({ kind, name }) => `${kind}: ${name}\n`).join("")}\n`);
    }
    io.stdout.write(`Total reclaimed space: ${humanSize(bytes)}\n`);
  },
});
