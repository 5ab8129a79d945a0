import { listContainers } from "../../container";
import { isNotFound } from "../../error";
import { removeImage } from "../../image";
import { withReserve } from "../../state";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Remove images",
    details:
      "A name is taken from its image, and with its last name the image is removed, with the layers that no other image has.",
    examples: [
      { command: "proa rmi debian:bookworm", does: "remove one" },
      { command: "proa rmi $(proa images -q --filter dangling=true)", does: "remove those without a name" },
    ],
    seeAlso: ["proa-images(1)"],
  },
  args: {
    force: {
      type: "boolean",
      alias: "f",
      description:
        "Remove all its names, and though ended containers use it; one that is not there is no error",
    },
    image: { type: "positional", rest: true, value: "image", description: "Name or id" },
  },
  async run({ app, args }) {
    await withReserve(app.context, () => listContainers(app.context, false)); // those that have ended since the last look hold no image
    return forEachTarget(app.io, args.image, async (name) => {
      try {
        const removed = await withReserve(app.context, () =>
          removeImage(app.context, name, { isForced: args.force }),
        );
        return removed
          .map((each) => `${each.kind === "untagged" ? "Untagged" : "Deleted"}: ${each.name}`)
          .join("\n");
      } catch (error) {
        if (!args.force || !isNotFound(error)) throw error;
        return undefined;
      }
    });
  },
});
