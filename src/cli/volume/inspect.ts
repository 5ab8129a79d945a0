import { allVolumes } from "../../state";
import { findVolume, inspectVolume } from "../../volume";
import { documentFlags, printDocuments } from "../_flags";
import { usageError } from "../args";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show all that is known of volumes",
    examples: [
      { command: "proa volume inspect data", does: "a JSON array of one document" },
      { command: "proa volume inspect -f '{{.Mountpoint}}' data", does: "where its files are" },
    ],
    seeAlso: ["proa-volume-ls(1)"],
  },
  args: {
    ...documentFlags,
    all: { type: "boolean", alias: "a", description: "All volumes" },
    volume: { type: "positional", required: false, rest: true, value: "volume", description: "Name" },
  },
  fields: async () => (await import("../document-fields")).fieldsOf("volume"),
  run({ app, args }) {
    const { context } = app;
    if (args.all === args.volume.length > 0)
      throw usageError(args.all ? "--all takes no names" : "a VOLUME is missing");
    const names = args.all ? allVolumes(context.db()).map(({ name }) => name) : args.volume;
    return printDocuments(app, names, args.format, async (name) =>
      inspectVolume(context, findVolume(context, "inspect volume", name)),
    );
  },
});
