import { EngineError } from "../../error";
import { findImage, mountedImages, unmountImage } from "../../image";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Take off what proa image mount has mounted",
    examples: [{ command: "proa image unmount debian", does: "within the shell that has mounted it" }],
    seeAlso: ["proa-unshare(1)", "proa-image-mount(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "All that are mounted" },
    force: { type: "boolean", alias: "f", description: "Also where something uses it" },
    image: { type: "positional", rest: true, required: false, value: "image", description: "Name or id" },
  },
  run({ app, args, typed }) {
    if (!args.all && args.image.length === 0) {
      throw usageError(`"${typed}" requires at least 1 argument: no IMAGE given`);
    }
    const names = args.all ? mountedImages(app.context).map(({ id }) => id) : args.image;
    return forEachTarget(app.io, names, (name) => {
      const image = findImage(app.context, name);
      if (unmountImage(app.context, image, name, args.force)) return image.id.slice(7);
      throw new EngineError("invalid", "image unmount", name, "it is not mounted here", { exitCode: 1 });
    });
  },
});
