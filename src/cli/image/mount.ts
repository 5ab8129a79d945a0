import { EngineError } from "../../error";
import { findImage, mountedImages, mountImage } from "../../image";
import { allImages } from "../../state";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Mount the files of images to be read, within proa unshare",
    details:
      "Prints where. Without a name those that are mounted are listed. The mounts are seen in that shell alone, and end with it.",
    examples: [{ command: "proa unshare sh -c 'ls $(proa image mount debian)'", does: "look into an image" }],
    seeAlso: ["proa-unshare(1)", "proa-image-unmount(1)", "proa-mount(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "All images" },
    format: {
      type: "string",
      valueHint: "FORMAT",
      value: { suggest: ["json"] },
      description: "Print the list as JSON",
    },
    image: { type: "positional", rest: true, required: false, value: "image", description: "Name or id" },
  },
  async run({ app, args }) {
    if (args.format !== undefined && args.format !== "json") {
      throw new EngineError("usage", "image mount", `--format ${args.format}`, "only json is known");
    }
    if (!args.all && args.image.length === 0) {
      const mounted = mountedImages(app.context);
      app.io.stdout.write(
        args.format === "json"
          ? `${JSON.stringify(
              mounted.map(({ id, path }) => ({ id: id.slice(7), mountpoint: path })),
              null,
              1,
            )}\n`
          : mounted.map(({ id, path }) => `${id.slice(7, 19)}  ${path}\n`).join(""),
      );
      return 0;
    }
    const names = args.all ? allImages(app.context.db()).map(({ id }) => id) : args.image;
    const isOne = names.length === 1 && !args.all;
    return forEachTarget(app.io, names, async (name) => {
      const path = await mountImage(app.context, findImage(app.context, name), name);
      return isOne ? path : `${name} ${path}`;
    });
  },
});
