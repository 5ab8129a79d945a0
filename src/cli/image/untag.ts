import { untagImage } from "../../image";
import { withReserve } from "../../state";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Take names from an image, which stays",
    details:
      "Without names all that it has are taken. proa rmi takes names, too, and removes the image with the last one.",
    examples: [{ command: "proa untag app:latest app:old", does: "take one of its names" }],
    seeAlso: ["proa-tag(1)", "proa-rmi(1)"],
  },
  args: {
    image: { type: "positional", value: "image", description: "Name or id" },
    name: {
      type: "positional",
      rest: true,
      required: false,
      value: "image",
      description: "The names to take; all where none is given",
    },
  },
  async run({ app, args }) {
    await withReserve(app.context, () => untagImage(app.context, args.image, args.name));
  },
});
