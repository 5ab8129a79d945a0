import { addToList, findList } from "../../image";
import { version } from "../_version";
import { untilInterrupted } from "../image/registry";
import { defineCommand } from "../tree";
import { entryArgs, wishesFrom } from "./_entry-options";
import { askingArgs, askingFlags } from "./_insecure";

export const command = defineCommand({
  meta: {
    description: "Add images to a manifest list",
    details:
      "An image of the store is held by the list from then on, even when its names go. One that is not here, or is written docker://NAME, is looked up in its registry. The list's id is printed.",
    examples: [
      { command: "proa manifest add app:1 app:1-arm64", does: "an image of the store" },
      {
        command: "proa manifest add --arch arm64 --variant v8 app:1 docker://example.com/app:arm",
        does: "one of a registry, and what it is for",
      },
    ],
    seeAlso: ["proa-manifest-create(1)", "proa-manifest-annotate(1)"],
  },
  args: {
    all: { type: "boolean", description: "Of an image of several platforms add all, not only one" },
    ...entryArgs,
    ...askingArgs,
    list: { type: "positional", valueHint: "LIST", value: "manifest", description: "Name or id of the list" },
    image: { type: "positional", rest: true, value: "image", description: "What to add" },
  },
  async run({ app, args, given }) {
    const { context } = app;
    const list = findList(context, args.list);
    const flags = await askingFlags(args, given);
    await untilInterrupted("manifest add", async (signal) => {
      for (const image of args.image) {
        await addToList(context, list, image, {
          ...wishesFrom(args),
          all: args.all,
          flags,
          userAgent: `proa/${version}`,
          signal,
        });
      }
    });
    app.io.stdout.write(`${list.row.id}\n`);
  },
});
