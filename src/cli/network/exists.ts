import { isNotFound } from "../../error";
import { findNetwork } from "../../network";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Tell by the exit status whether a network is there",
    details: "Nothing is printed.",
    examples: [
      {
        command: "proa network exists back || proa network create back",
        does: "make it where it is missing",
      },
    ],
    exitStatuses: [{ status: "1", meaning: "There is no such network." }],
    seeAlso: ["proa-network-ls(1)"],
  },
  args: { network: { type: "positional", value: "network", description: "Name or id" } },
  run({ app, args }) {
    try {
      findNetwork(app.context, "look for network", args.network);
      return 0;
    } catch (error) {
      if (isNotFound(error)) return 1;
      throw error;
    }
  },
});
