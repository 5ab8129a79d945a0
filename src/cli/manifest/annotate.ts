import { annotateEntry, annotateList, findList } from "../../image";
import { pairs } from "../_pairs";
import { usageError } from "../args";
import { defineCommand } from "../tree";
import { entryArgs, wishesFrom } from "./_entry-options";

export const command = defineCommand({
  meta: {
    description: "Change what a manifest list says of an entry",
    details: "The list's id is printed.",
    examples: [
      { command: "proa manifest annotate --arch arm64 app:1 sha256:…", does: "name its platform" },
      {
        command: "proa manifest annotate --index --annotation org.opencontainers.image.version=1 app:1",
        does: "an annotation of the list itself",
      },
    ],
    seeAlso: ["proa-manifest-add(1)", "proa-manifest-inspect(1)"],
  },
  args: {
    ...entryArgs,
    index: { type: "boolean", description: "The annotations are of the list itself" },
    list: { type: "positional", valueHint: "LIST", value: "manifest", description: "Name or id of the list" },
    image: {
      type: "positional",
      required: false,
      value: "image",
      description: "Digest of the entry, or the image it is of",
    },
  },
  async run({ app, args, typed }) {
    const list = findList(app.context, args.list);
    if (args.index) {
      annotateList(app.context, list, pairs("--annotation", args.annotation));
    } else if (args.image === undefined) {
      throw usageError(`"${typed}" requires 2 arguments: no IMAGE given`);
    } else {
      await annotateEntry(app.context, list, args.image, wishesFrom(args));
    }
    app.io.stdout.write(`${list.row.id}\n`);
  },
});
