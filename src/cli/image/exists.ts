import { lookUpImage } from "../../image";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Tell by the exit status whether an image is here",
    details: "Nothing is printed, and no registry is asked.",
    examples: [
      { command: "proa image exists debian || proa pull debian", does: "pull it where it is missing" },
    ],
    exitStatuses: [{ status: "1", meaning: "There is no such image." }],
    seeAlso: ["proa-images(1)"],
  },
  args: { image: { type: "positional", value: "image", description: "Name or id" } },
  run({ app, args }) {
    return lookUpImage(app.context, args.image) === null ? 1 : 0;
  },
});
