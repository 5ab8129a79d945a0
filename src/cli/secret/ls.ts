import { allSecrets, type Secret } from "../../state";
import { filterFlag, rowFlags } from "../_flags";
import { hasLabel, matchesName, parseFilters, passesFilters } from "../output/filter";
import { type Field, formatRows } from "../output/format";
import { timeAgo } from "../output/time";
import { defineCommand } from "../tree";

const FILTERS = ["id", "label", "name"];

const fields = (now: number): Record<string, Field<Secret>> => ({
  ID: { header: "ID", isWhole: true, value: ({ id }) => id },
  Name: { header: "NAME", isWhole: true, value: ({ name }) => name },
  Driver: { header: "DRIVER", value: () => "file" },
  CreatedAt: { header: "CREATED", value: ({ createdMs }) => timeAgo(createdMs, now) },
  UpdatedAt: { header: "UPDATED", value: ({ updatedMs }) => timeAgo(updatedMs, now) },
  Labels: {
    header: "LABELS",
    value: ({ labels }) =>
      Object.entries(labels)
        .map((pair) => pair.join("="))
        .join(","),
  },
  Label: {
    header: "",
    value:
      ({ labels }) =>
      (key: unknown) =>
        labels[String(key)] ?? "",
  },
});

export const command = defineCommand({
  meta: {
    description: "List secrets",
    details: "What they say is not shown.",
    examples: [{ command: "proa secret ls", does: "all of them" }],
    seeAlso: ["proa-secret-create(1)"],
  },
  args: {
    filter: filterFlag(FILTERS, "secrets"),
    format: rowFlags.format,
    noheading: { ...rowFlags.noheading, alias: "n" },
    quiet: { type: "boolean", alias: "q", description: "Only ids" },
  },
  fields: () => Object.keys(fields(0)),
  async run({ app, args }) {
    const { context, io } = app;
    const filters = parseFilters(args.filter, FILTERS);
    const secrets = allSecrets(context).filter(({ id, name, labels }) =>
      passesFilters(filters, {
        id: (value) => id.startsWith(value),
        name: (value) => matchesName(name, value),
        label: (value) => hasLabel(labels, value),
      }),
    );
    const text = await formatRows(secrets, {
      fields: fields(context.now()),
      columns: ["ID", "Name", "Driver", "CreatedAt", "UpdatedAt"],
      quietField: "ID",
      quiet: args.quiet,
      noHeading: args.noheading,
      on: io.stdout,
      format: args.format,
    });
    io.stdout.write(text);
  },
});
