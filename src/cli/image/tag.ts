import { tagImage } from "../../image";
import { withReserve } from "../../state";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Give an image further names",
    details: "A name that another image has is taken from it. Without a tag it is latest.",
    examples: [
      { command: "proa tag debian:bookworm localhost:5000/base:v1", does: "one more name" },
      { command: "proa tag 9d9ab6b5b8d8 app:latest app:v2", does: "two for an image known by its id" },
    ],
    seeAlso: ["proa-untag(1)", "proa-images(1)"],
  },
  args: {
    image: { type: "positional", valueHint: "SOURCE_IMAGE[:TAG]", value: "image", description: "Name or id" },
    target: {
      type: "positional",
      rest: true,
      valueHint: "TARGET_IMAGE[:TAG]",
      value: "image",
      description: "The new names",
    },
  },
  run({ app, args }) {
    return forEachTarget(app.io, args.target, (target) =>
      withReserve(app.context, () => tagImage(app.context, args.image, target)),
    );
  },
});
