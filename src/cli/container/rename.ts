import { findContainer, renameContainer } from "../../container";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Give a container another name",
    examples: [{ command: "proa rename web old-web", does: "make room for a new web" }],
    seeAlso: ["proa-ps(1)"],
  },
  args: {
    container: { type: "positional", value: "container", description: "Name or id" },
    name: { type: "positional", valueHint: "NEW_NAME", value: "none", description: "The name it gets" },
  },
  async run({ app, args }) {
    const row = await findContainer(app.context, "rename container", args.container);
    await renameContainer(app.context, row, args.name);
  },
});
