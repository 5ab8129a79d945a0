import { resetStore } from "../../container";
import { confirm } from "../_confirm";
import { defineCommand } from "../tree";

const WARNING = [
  "This will remove:",
  "  - all containers",
  "  - all images",
  "  - all networks",
  "  - all volumes",
  "  - all secrets",
  "  - all that is cached",
].join("\n");

export const command = defineCommand({
  meta: {
    description: "Remove everything that is stored, and begin anew",
    details:
      "Containers that run are killed. What is in volumes is lost; the configuration stays, and so do logins to registries.",
    examples: [
      { command: "proa system reset", does: "after a question" },
      { command: "proa system reset --force", does: "without one" },
    ],
    exitStatuses: [{ status: "1", meaning: "The answer was not yes, or something is being pulled." }],
    seeAlso: ["proa-system-prune(1)"],
  },
  args: { force: { type: "boolean", alias: "f", description: "Ask nothing" } },
  async run({ app, args }) {
    if (!args.force) confirm(app.io, "reset", `${WARNING}\n`);
    await resetStore(app.context);
  },
});
