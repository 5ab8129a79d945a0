import { findContainer, inspectContainer } from "../../container";
import { formatDocuments } from "../output/format";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show all that is known of containers",
    examples: [{ command: "proa container inspect -f '{{.State.Status}}' web", does: "one field of it" }],
    seeAlso: ["proa-ps(1)", "proa-inspect(1)"],
  },
  args: {
    format: {
      type: "string",
      alias: "f",
      valueHint: "FORMAT",
      value: { suggest: ["json"] },
      description: "json, or a Go template",
    },
    container: { type: "positional", rest: true, value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    const documents: unknown[] = [];
    const status = await forEachTarget(app.io, args.container, async (name) => {
      documents.push(inspectContainer(app.context, await findContainer(app.context, "inspect", name)));
    });
    app.io.stdout.write(await formatDocuments(documents, args.format));
    return status;
  },
});
