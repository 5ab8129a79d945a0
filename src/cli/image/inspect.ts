import { findImage, inspectImage } from "../../image";
import { formatDocuments } from "../output/format";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show all that is known of images",
    examples: [{ command: "proa image inspect -f '{{.Config.Cmd}}' debian", does: "one field of it" }],
    seeAlso: ["proa-images(1)", "proa-inspect(1)"],
  },
  args: {
    format: {
      type: "string",
      alias: "f",
      valueHint: "FORMAT",
      value: { suggest: ["json"] },
      description: "json, or a Go template",
    },
    image: { type: "positional", rest: true, value: "image", description: "Name or id" },
  },
  async run({ app, args }) {
    const documents: unknown[] = [];
    const status = await forEachTarget(app.io, args.image, async (name) => {
      documents.push(await inspectImage(app.context, findImage(app.context, name)));
    });
    app.io.stdout.write(await formatDocuments(documents, args.format));
    return status;
  },
});
