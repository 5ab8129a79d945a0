import { noCheckpoints, ofCheckpoint } from "../no-checkpoints";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Refused: containers cannot be checkpointed",
    details: "It is answered with what is missing.",
    exitStatuses: [{ status: "1", meaning: "Always." }],
    seeAlso: ["proa-commit(1)", "proa-export(1)"],
  },
  args: {
    "leave-running": { type: "boolean", description: "Let it run on" },
    ...ofCheckpoint,
  },
  run({ args }) {
    throw noCheckpoints("checkpoint", args.container);
  },
});
