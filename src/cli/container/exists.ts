import { findContainer } from "../../container";
import { isNotFound } from "../../error";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Tell by the exit status whether a container is there",
    details: "Nothing is printed.",
    examples: [
      {
        command: "proa container exists web || proa run -d --name web nginx",
        does: "make it where it is missing",
      },
    ],
    exitStatuses: [{ status: "1", meaning: "There is no such container." }],
    seeAlso: ["proa-ps(1)"],
  },
  args: {
    external: {
      type: "boolean",
      description: "Look among containers of other programs in the same store, too; proa's has none",
    },
    container: { type: "positional", value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    try {
      await findContainer(app.context, "look for container", args.container);
      return 0;
    } catch (error) {
      if (isNotFound(error)) return 1;
      throw error;
    }
  },
});
