import { noCheckpoints, ofContainer } from "../no-checkpoints";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Refused: there are no checkpoints",
    details: "It is answered with what is missing.",
    exitStatuses: [{ status: "1", meaning: "Always." }],
    seeAlso: ["proa-commit(1)", "proa-export(1)"],
  },
  args: ofContainer,
  run({ args }) {
    throw noCheckpoints("checkpoint", args.container);
  },
});
