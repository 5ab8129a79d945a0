import { addToList, createList } from "../../image";
import { withReserve } from "../../state";
import { pairs } from "../_pairs";
import { version } from "../_version";
import { untilInterrupted } from "../image/registry";
import { defineCommand } from "../tree";
import { askingArgs, askingFlags } from "./_insecure";

export const command = defineCommand({
  meta: {
    description: "Make a manifest list, an image of several platforms",
    details:
      "It is kept here until it is pushed. An image that is not in the store is looked up in its registry, and stays there. The list's id is printed.",
    examples: [
      {
        command: "proa manifest create example.com/app:1 example.com/app:1-amd64 example.com/app:1-arm64",
        does: "one name for two platforms",
      },
    ],
    seeAlso: ["proa-manifest-add(1)", "proa-manifest-push(1)"],
  },
  args: {
    all: { type: "boolean", description: "Of an image of several platforms add all, not only this host's" },
    amend: { type: "boolean", alias: "a", description: "Add to the list if it is there already" },
    annotation: {
      type: "string",
      multiple: true,
      valueHint: "KEY=VALUE",
      value: "none",
      description: "Say it of the list",
    },
    ...askingArgs,
    list: { type: "positional", valueHint: "LIST", value: "manifest", description: "Its name" },
    image: {
      type: "positional",
      rest: true,
      required: false,
      value: "image",
      description: "What it begins with",
    },
  },
  async run({ app, args, given }) {
    const { context } = app;
    const flags = await askingFlags(args, given);
    const annotations = pairs("--annotation", args.annotation);
    const list = await withReserve(context, async () =>
      createList(context, args.list, args.amend, annotations),
    );
    await untilInterrupted("manifest create", async (signal) => {
      for (const image of args.image) {
        await addToList(context, list, image, {
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
