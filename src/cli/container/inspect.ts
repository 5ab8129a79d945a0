import { findContainer, inspectContainer } from "../../container";
import { documentFlags, printDocuments } from "../_flags";
import { defineCommand } from "../tree";
import { latestArg, newest, optionalNames, targetNames } from "./_targets";

export const sizeArg = {
  type: "boolean",
  alias: "s",
  description: "How much a container has written, and all that it sees, too",
} as const;

export const command = defineCommand({
  meta: {
    description: "Show all that is known of containers",
    examples: [{ command: "proa container inspect -f '{{.State.Status}}' web", does: "one field of it" }],
    seeAlso: ["proa-ps(1)", "proa-inspect(1)"],
  },
  args: {
    ...documentFlags,
    size: sizeArg,
    latest: latestArg,
    container: { ...optionalNames, value: "container", description: "Name or id" },
  },
  fields: async () => (await import("../document-fields")).fieldsOf("container"),
  async run({ app, args }) {
    const given = targetNames("container inspect", args.container, args);
    const names = args.latest ? [(await newest(app, "inspect")).id] : given;
    return printDocuments(app, names, args.format, async (name) =>
      inspectContainer(app.context, await findContainer(app.context, "inspect", name), { size: args.size }),
    );
  },
});
