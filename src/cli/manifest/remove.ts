import { findList, removeEntry } from "../../image";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Take an entry out of a manifest list",
    details: "The list's id is printed.",
    examples: [{ command: "proa manifest remove app:1 sha256:…", does: "by the digest that inspect shows" }],
    seeAlso: ["proa-manifest-rm(1)", "proa-manifest-inspect(1)"],
  },
  args: {
    list: { type: "positional", valueHint: "LIST", value: "manifest", description: "Name or id of the list" },
    entry: {
      type: "positional",
      valueHint: "DIGEST",
      value: "manifest-entry",
      description: "Digest of the entry, or its image",
    },
  },
  async run({ app, args }) {
    const list = findList(app.context, args.list);
    await removeEntry(app.context, list, args.entry);
    app.io.stdout.write(`${list.row.id}\n`);
  },
});
