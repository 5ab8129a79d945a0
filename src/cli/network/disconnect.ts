import { disconnectContainer, findContainer } from "../../container";
import { isNotFound } from "../../error";
import { findNetwork } from "../../network";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Disconnect a container from a network",
    details:
      "One that runs loses the interface, and with it every connection through it. Nothing is printed.",
    examples: [{ command: "proa network disconnect back web", does: "take web off the network back" }],
    seeAlso: ["proa-network-connect(1)"],
  },
  args: {
    force: {
      type: "boolean",
      alias: "f",
      description: "Though its interface cannot be taken down now; one that is not connected is no error",
    },
    network: { type: "positional", value: "network", description: "Network" },
    container: { type: "positional", value: "container", description: "Container" },
  },
  async run({ app, args }) {
    const what = "disconnect container";
    try {
      const network = findNetwork(app.context, what, args.network);
      const container = await findContainer(app.context, what, args.container);
      await disconnectContainer(app.context, container, network, args.force);
    } catch (error) {
      if (!args.force || !isNotFound(error)) throw error;
    }
  },
});
