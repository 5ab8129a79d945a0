import { findImage, inspectImage } from "../../image";
import { documentFlags, printDocuments } from "../_flags";
import { defineCommand } from "../tree";
import { checkPlatform } from "./_platform";

export const command = defineCommand({
  meta: {
    description: "Show all that is known of images",
    examples: [{ command: "proa image inspect -f '{{.Config.Cmd}}' debian", does: "one field of it" }],
    seeAlso: ["proa-images(1)", "proa-inspect(1)"],
  },
  args: {
    ...documentFlags,
    platform: {
      type: "string",
      valueHint: "OS/ARCH",
      value: "platform",
      description: "Only if it is the image for this platform",
    },
    image: { type: "positional", rest: true, value: "image", description: "Name or id" },
  },
  fields: async () => (await import("../document-fields")).fieldsOf("image"),
  run({ app, args }) {
    return printDocuments(app, args.image, args.format, async (name) => {
      const image = findImage(app.context, name);
      checkPlatform("inspect image", name, image, args.platform);
      return inspectImage(app.context, image);
    });
  },
});
