import { describeNetwork } from "../../container";
import { findNetwork } from "../../network";
import { documentFlags, printDocuments } from "../_flags";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show all that is known of networks",
    details: "Containers are those that are connected now.",
    examples: [
      { command: "proa network inspect back", does: "a JSON array of one document" },
      {
        command: "proa network inspect -f '{{range .Containers}}{{.Name}} {{end}}' back",
        does: "who is connected",
      },
    ],
    seeAlso: ["proa-network-ls(1)", "proa-inspect(1)"],
  },
  args: {
    ...documentFlags,
    verbose: {
      type: "boolean",
      alias: "v",
      description: "More of each container, and those that do not run",
    },
    network: { type: "positional", rest: true, value: "network", description: "Name or id" },
  },
  fields: async () => (await import("../document-fields")).fieldsOf("network"),
  run({ app, args }) {
    return printDocuments(app, args.network, args.format, async (name) =>
      describeNetwork(app.context, findNetwork(app.context, "inspect network", name), args.verbose),
    );
  },
});
