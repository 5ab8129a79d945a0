import { disableBoot } from "../../container";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Start no containers at boot any more",
    details: "Takes the unit of proa system enable away. Containers that run go on.",
    examples: [{ command: "proa system disable", does: "take the unit away" }],
    seeAlso: ["proa-system-enable(1)"],
  },
  args: {},
  async run({ app: { context, io } }) {
    const file = await disableBoot(context);
    if (file !== null) io.stdout.write(`${file}\n`);
  },
});
