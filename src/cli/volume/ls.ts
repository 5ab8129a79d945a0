import { listContainers } from "../../container";
import { allVolumes, type Context, type Volume, volumeUseCounts } from "../../state";
import { findVolume, inspectVolume, mountpointOf } from "../../volume";
import { filterFlag, rowFlags } from "../_flags";
import { timeOf } from "../_moment";
import { type Filters, hasLabel, isTrue, matchesName, parseFilters, passesFilters } from "../output/filter";
import { type Field, formatRows } from "../output/format";
import { localTime } from "../output/time";
import { defineCommand } from "../tree";

const list = (record: Record<string, string>): string =>
  Object.entries(record)
    .map((pair) => pair.join("="))
    .join(",");

const fields = (context: Context): Record<string, Field<Volume>> => ({
  Driver: { header: "DRIVER", value: ({ driver }) => driver },
  Name: { header: "VOLUME NAME", isWhole: true, value: ({ name }) => name },
  Scope: { header: "SCOPE", value: () => "local" },
  Mountpoint: { header: "MOUNTPOINT", value: ({ name }) => mountpointOf(context, name) },
  Labels: { header: "LABELS", value: ({ labels }) => list(labels) },
  Label: {
    header: "",
    value:
      ({ labels }) =>
      (key: unknown) =>
        labels[String(key)] ?? "",
  },
  // what docker tells of volumes only in `system df` and of a swarm's
  Availability: { header: "AVAILABILITY", value: () => "N/A" },
  Group: { header: "GROUP", value: () => "N/A" },
  Links: { header: "LINKS", value: () => "N/A" },
  Size: { header: "SIZE", value: () => "N/A" },
  Status: { header: "STATUS", value: () => "N/A" },
  CreatedAt: { header: "CREATED AT", value: ({ createdMs }) => localTime(createdMs) },
  Options: { header: "OPTIONS", value: ({ options }) => list(options) },
  Anonymous: { header: "ANONYMOUS", value: ({ anonymous }) => String(anonymous) },
  // podman's names
  UID: { header: "UID", value: (volume) => inspectVolume(context, volume).UID, isExtra: true },
  GID: { header: "GID", value: (volume) => inspectVolume(context, volume).GID, isExtra: true },
  MountCount: {
    header: "MOUNT COUNT",
    value: (volume) => inspectVolume(context, volume).MountCount,
    isExtra: true,
  },
});

const FILTERS = [
  "after",
  "anonymous",
  "dangling",
  "driver",
  "label",
  "label!",
  "name",
  "opt",
  "scope",
  "since",
  "until",
];

export const command = defineCommand({
  meta: {
    description: "List volumes",
    examples: [
      { command: "proa volume ls", does: "list all volumes" },
      { command: "proa volume ls -q --filter dangling=true", does: "names of those that no container has" },
    ],
    seeAlso: ["proa-volume-inspect(1)", "proa-volume-create(1)"],
  },
  args: {
    filter: filterFlag(FILTERS, "volumes"),
    format: rowFlags.format,
    quiet: { type: "boolean", alias: "q", description: "Only names" },
    noheading: { ...rowFlags.noheading, alias: "n" },
  },
  fields: ({ context }) => Object.keys(fields(context)),
  async run({ app, args }) {
    const { context } = app;
    const filters = parseFilters(args.filter, FILTERS);
    await listContainers(context, false); // those of --rm that have ended hold no volume
    const volumes = allVolumes(context.db());
    const tests = testsFor(context, filters);
    const kept = filters.size > 0 ? volumes.filter((each) => passesFilters(filters, tests(each))) : volumes;
    const text = await formatRows(kept, {
      fields: fields(context),
      columns: ["Driver", "Name"],
      quietField: "Name",
      quiet: args.quiet,
      noHeading: args.noheading,
      on: app.io.stdout,
      format: args.format,
    });
    app.io.stdout.write(text);
  },
});

function testsFor(
  context: Context,
  filters: Filters,
): (volume: Volume) => Record<string, (value: string) => boolean> {
  const used = filters.has("dangling") ? volumeUseCounts(context.db()) : new Map<string, number>();
  const until = filters.get("until")?.map((value) => timeOf("filter until", value, context.now())) ?? [];
  const createdMs = (name: string): number => findVolume(context, "filter", name).createdMs;
  return (volume) => ({
    since: (value) => volume.createdMs > createdMs(value),
    after: (value) => volume.createdMs > createdMs(value), // podman knows it by both words
    name: (value) => matchesName(volume.name, value),
    driver: (value) => volume.driver === value,
    scope: (value) => value === "local",
    label: (value) => hasLabel(volume.labels, value),
    "label!": (value) => !hasLabel(volume.labels, value),
    opt: (value) => hasLabel(volume.options, value),
    dangling: (value) => !used.has(volume.name) === isTrue("dangling", value),
    anonymous: (value) => volume.anonymous === isTrue("anonymous", value),
    until: () => until.every((time) => volume.createdMs < time),
  });
}
