import { listContainers } from "../../container";
import { withReserve } from "../../state";
import { findVolume, pruneVolumes } from "../../volume";
import { confirm } from "../_confirm";
import { filterFlag } from "../_flags";
import { timeOf } from "../_moment";
import { hasLabel, isTrue, parseFilters, passesFilters } from "../output/filter";
import { humanSize } from "../output/size";
import { defineCommand } from "../tree";

const FILTERS = ["after", "all", "label", "label!", "since", "until"];

const { alias: _short, ...filter } = filterFlag(FILTERS, "volumes"); // -f is --force here, as docker has it

export const command = defineCommand({
  meta: {
    description: "Remove volumes that no container has",
    details:
      "Only anonymous ones; with --all those with names too. A container that does not run has its volumes, too.",
    examples: [
      { command: "proa volume prune", does: "anonymous volumes, after a question" },
      {
        command: "proa volume prune -a -f --filter label=scratch",
        does: "all that have a label, without one",
      },
    ],
    seeAlso: ["proa-volume-rm(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "Those with names, too" },
    filter,
    force: { type: "boolean", alias: "f", description: "Ask nothing" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const filters = parseFilters(args.filter, FILTERS);
    const all = args.all || (filters.get("all") ?? []).some((value) => isTrue("all", value));
    const until = filters.get("until")?.map((value) => timeOf("filter until", value, context.now())) ?? [];
    const since = ["since", "after"] // podman knows it by both words
      .flatMap((key) => filters.get(key) ?? [])
      .map((name) => findVolume(context, "filter", name).createdMs);
    const which = all ? "all local volumes" : "anonymous local volumes";
    if (!args.force)
      confirm(io, "remove volumes", `This will remove ${which} not used by at least one container.`);
    await withReserve(context, () => listContainers(context, false)); // those of --rm that have ended hold no volume
    const { removed, bytes } = await withReserve(context, () =>
      pruneVolumes(
        context,
        ({ anonymous, labels, createdMs }) =>
          (all || anonymous) &&
          passesFilters(filters, {
            label: (value) => hasLabel(labels, value),
            "label!": (value) => !hasLabel(labels, value),
            until: () => until.every((time) => createdMs < time),
            since: () => since.every((time) => createdMs > time),
            after: () => since.every((time) => createdMs > time),
          }),
      ),
    );
    if (removed.length > 0)
      io.stdout.write(`Deleted Volumes:\n${removed.map((name) => `${name}\n`).join("")}\n`);
    io.stdout.write(`Total reclaimed space: ${humanSize(bytes)}\n`);
  },
});
