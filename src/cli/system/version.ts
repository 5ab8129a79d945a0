import { version } from "../_version";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show the version of proa",
    examples: [{ command: "proa version", does: "print the version" }],
  },
  args: {},
  run({ app }) {
    app.io.stdout.write(`proa version ${version}\n`);
  },
});
