import { listContainers } from "../../container";
import { isNotFound } from "../../error";
import { findNetwork, removeNetwork } from "../../network";
import { withReserve } from "../../state";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Remove networks",
    details:
      "A network that containers use stays, and they are named. The predefined ones cannot be removed.",
    examples: [
      { command: "proa network rm back", does: "remove one" },
      { command: "proa network rm -f old older", does: "remove two, if they are there" },
    ],
    seeAlso: ["proa-network-prune(1)", "proa-network-disconnect(1)"],
  },
  args: {
    force: {
      type: "boolean",
      alias: "f",
      description: "Though containers that do not run are set up with it; one that is not there is no error",
    },
    network: { type: "positional", rest: true, value: "network", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    await withReserve(context, () => listContainers(context, false)); // those of --rm that have ended hold no network
    return forEachTarget(io, args.network, async (name) => {
      try {
        await withReserve(context, async () =>
          removeNetwork(context, findNetwork(context, "remove network", name), args.force),
        );
        return name;
      } catch (error) {
        if (!args.force || !isNotFound(error)) throw error;
        return undefined;
      }
    });
  },
});
