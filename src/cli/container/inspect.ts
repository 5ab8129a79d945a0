import { findContainer, inspectContainer } from "../../container";
import { documentFlags, printDocuments } from "../_flags";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show all that is known of containers",
    examples: [{ command: "proa container inspect -f '{{.State.Status}}' web", does: "one field of it" }],
    seeAlso: ["proa-ps(1)", "proa-inspect(1)"],
  },
  args: {
    ...documentFlags,
    container: { type: "positional", rest: true, value: "container", description: "Name or id" },
  },
  run({ app, args }) {
    return printDocuments(app, args.container, args.format, async (name) =>
      inspectContainer(app.context, await findContainer(app.context, "inspect", name)),
    );
  },
});
