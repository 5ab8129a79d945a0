import { listContainers } from "../../container";
import { isNotFound } from "../../error";
import { findImage, listImages, type Removed, type RemoveOptions, removeImage } from "../../image";
import { type Context, withReserve } from "../../state";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { checkPlatform } from "./_platform";

export const command = defineCommand({
  meta: {
    description: "Remove images",
    details:
      "A name is taken from its image, and with its last name the image is removed, with the layers that no other image has.",
    examples: [
      { command: "proa rmi debian:bookworm", does: "remove one" },
      { command: "proa rmi $(proa images -q --filter dangling=true)", does: "remove those without a name" },
      { command: "proa rmi --all --force", does: "remove all that no container runs on" },
    ],
    exitStatuses: [{ status: "1", meaning: "An image is not there, or in use." }],
    seeAlso: ["proa-images(1)", "proa-untag(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "All images" },
    force: {
      type: "boolean",
      alias: "f",
      description:
        "Remove all its names, and though ended containers use it; one that is not there is no error",
    },
    ignore: { type: "boolean", alias: "i", description: "An image that is not there is no error" },
    "no-prune": {
      type: "boolean",
      description: "Leave parent images without a name alone; proa removes none of them anyway",
    },
    platform: {
      type: "string",
      valueHint: "OS/ARCH",
      value: "platform",
      description: "Only if it is the image for this platform",
    },
    image: { type: "positional", rest: true, required: false, value: "image", description: "Name or id" },
  },
  async run({ app, args, typed }) {
    if (args.all === args.image.length > 0) {
      throw usageError(
        args.all
          ? "names and --all cannot be used together"
          : `"${typed}" requires at least 1 argument: no IMAGE given`,
      );
    }
    await withReserve(app.context, () => listContainers(app.context, false)); // those that have ended since the last look hold no image
    const names = args.all ? listImages(app.context).map(({ id }) => id) : args.image;
    return forEachTarget(app.io, names, async (name) => {
      try {
        if (args.platform !== undefined)
          checkPlatform("remove image", name, findImage(app.context, name), args.platform);
        const removed = await withReserve(app.context, () =>
          removeNamed(app.context, name, { isForced: args.force || args.all }),
        );
        return removed
          .map((each) => `${each.kind === "untagged" ? "Untagged" : "Deleted"}: ${each.name}`)
          .join("\n");
      } catch (error) {
        if (!(args.force || args.ignore || args.all) || !isNotFound(error)) throw error;
        return undefined;
      }
    });
  },
});

/** A name that means nothing here may be an alias. */
async function removeNamed(context: Context, name: string, options: RemoveOptions): Promise<Removed[]> {
  try {
    return await removeImage(context, name, options);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const behind = (await import("./_short-names")).nameBehind(context, name);
    if (behind === undefined) throw error;
    return removeImage(context, behind, options);
  }
}
