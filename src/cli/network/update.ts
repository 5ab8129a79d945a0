import { followNetwork } from "../../container";
import { EngineError } from "../../error";
import { findNetwork, updateResolvers } from "../../network";
import { usageError } from "../args";
import { defineCommand } from "../tree";
import { splitCommas } from "./_options";

export const command = defineCommand({
  meta: {
    description: "Change the name servers of a network",
    details:
      "Containers that run ask the new ones from then on. A network without name servers of its own asks the host's.",
    examples: [
      { command: "proa network update --dns-add 9.9.9.9 back", does: "ask one more" },
      {
        command: "proa network update --dns-drop 9.9.9.9 --dns-add 1.1.1.1 back",
        does: "ask another in its place",
      },
    ],
    seeAlso: ["proa-network-create(1)"],
  },
  args: {
    "dns-add": {
      type: "string",
      multiple: true,
      valueHint: "ADDRESS",
      value: "none",
      description: "Name server to ask, too",
    },
    "dns-drop": {
      type: "string",
      multiple: true,
      valueHint: "ADDRESS",
      value: "none",
      description: "Name server to ask no more",
    },
    network: { type: "positional", value: "network", description: "Name or id" },
  },
  async run({ app, args, typed }) {
    const [add, drop] = [splitCommas(args["dns-add"]), splitCommas(args["dns-drop"])];
    if (add.length + drop.length === 0)
      throw usageError(`"${typed}" has nothing to change: --dns-add or --dns-drop`);
    const network = findNetwork(app.context, "update network", args.network);
    if (network.driver !== "bridge")
      throw new EngineError("unsupported", "update network", network.name, "it is no network of proa's", {
        exitCode: 1,
      });
    await followNetwork(app.context, updateResolvers(app.context, network, add, drop));
    app.io.stdout.write(`${args.network}\n`);
  },
});
