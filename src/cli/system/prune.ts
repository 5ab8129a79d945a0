import { forgetUnusedMaps, listContainers, pruneContainers } from "../../container";
import { pruneImages } from "../../image";
import { pruneNetworks } from "../../network";
import { withReserve } from "../../state";
import { collectGarbage } from "../../storage";
import { confirm } from "../_confirm";
import { filterFlag } from "../_flags";
import { timeOf } from "../_moment";
import type { App } from "../app";
import { hasLabel, parseFilters, passesFilters } from "../output/filter";
import { humanSize } from "../output/size";
import { defineCommand, type Values } from "../tree";

const FILTERS = ["label", "label!", "until"];

const { alias: _short, ...filter } = filterFlag(FILTERS, "things"); // -f is --force here, as docker has it

const args = {
  all: {
    type: "boolean",
    alias: "a",
    description: "All images that no container uses, not only those without a name",
  },
  volumes: { type: "boolean", description: "Anonymous volumes that no container uses, too" },
  blobs: { type: "boolean", description: "Compressed layers that can be fetched again, too" },
  filter,
  force: { type: "boolean", alias: "f", description: "Ask nothing" },
} as const;

export const command = defineCommand({
  meta: {
    description: "Remove what nothing uses",
    details:
      "Containers that do not run, networks that no container uses, images without a name; with --volumes anonymous volumes, too. With --blobs the compressed layers of images that were pulled go as well: containers run without them, and they are fetched again when an image is pushed or saved. What killed commands have left is cleared away.",
    examples: [
      { command: "proa system prune", does: "after a question" },
      {
        command: "proa system prune -af --volumes",
        does: "all that can be made or pulled again, without one",
      },
    ],
    seeAlso: ["proa-container-prune(1)", "proa-network-prune(1)", "proa-volume-prune(1)"],
  },
  args,
  async run({ app, args }) {
    const { context, io } = app;
    const filters = parseFilters(args.filter, FILTERS);
    const until = filters.get("until")?.map((value) => timeOf("filter until", value, context.now())) ?? [];
    if (!args.force) confirm(io, "remove", warningOf(args));
    await withReserve(context, () => listContainers(context, false)); // those of --rm that have ended hold nothing
    const suits = (labels: Record<string, string>, createdMs: number): boolean =>
      passesFilters(filters, {
        label: (value) => hasLabel(labels, value),
        "label!": (value) => !hasLabel(labels, value),
        until: () => until.every((time) => createdMs < time),
      });
    let bytes = await withReserve(context, () => removeAll(app, args, suits));
    forgetUnusedMaps(context);
    await collectGarbage(context);
    if (args.blobs) bytes += await withReserve(context, () => removeBlobs(app));
    io.stdout.write(`Total reclaimed space: ${humanSize(bytes)}\n`);
  },
});

type Suits = (labels: Record<string, string>, createdMs: number) => boolean;

/** In the order in which one holds the next. Returns the bytes that are free now. */
async function removeAll({ context, io }: App, args: PruneValues, suits: Suits): Promise<number> {
  const list = (title: string, names: readonly string[]): void => {
    if (names.length > 0) io.stdout.write(`${title}:\n${names.map((name) => `${name}\n`).join("")}\n`);
  };
  const containers = await pruneContainers(context, (row) => suits(row.spec.Labels, row.created_ms));
  list("Deleted Containers", containers.removed);
  let bytes = containers.bytes;
  list("Deleted Networks", await pruneNetworks(context, ({ labels, createdMs }) => suits(labels, createdMs)));
  if (args.volumes) {
    const { pruneVolumes } = await import("../../volume");
    const volumes = await pruneVolumes(
      context,
      ({ anonymous, labels, createdMs }) => anonymous && suits(labels, createdMs),
    );
    list("Deleted Volumes", volumes.removed);
    bytes += volumes.bytes;
  }
  const images = await pruneImages(context, {
    all: args.all,
    wanted: ({ labels, createdMs }) => suits(labels, createdMs),
  });
  list(
    "Deleted Images",
    images.removed.map(({ kind, name }) => `${kind}: ${name}`),
  );
  return bytes + images.bytes;
}

/** Returns the bytes that are free now. */
async function removeBlobs({ context, io }: App): Promise<number> {
  const { dropBlobs } = await import("../../image");
  const dropped = await dropBlobs(context);
  if (dropped === null) {
    context.warn("no blobs were removed: something is being pulled");
    return 0;
  }
  if (dropped.removed.length > 0) {
    io.stdout.write(`Deleted Blobs:\n${dropped.removed.map((digest) => `${digest}\n`).join("")}\n`);
  }
  return dropped.bytes;
}

type PruneValues = Values<typeof args>;

function warningOf(args: PruneValues): string {
  const things = [
    "all stopped containers",
    "all networks not used by at least one container",
    ...(args.volumes ? ["all anonymous volumes not used by at least one container"] : []),
    args.all ? "all images without at least one container associated to them" : "all dangling images",
    ...(args.blobs ? ["all blobs of unpacked layers that can be fetched again"] : []),
  ];
  const filters = args.filter.length > 0 ? ["", "  Items to be pruned will be filtered with:"] : [];
  return [
    "This will remove:",
    ...things.map((thing) => `  - ${thing}`),
    ...filters,
    ...args.filter.map((text) => `  - ${text}`),
    "",
  ].join("\n");
}
