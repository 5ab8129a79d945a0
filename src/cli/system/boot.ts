import { startAtBoot } from "../container/boot";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Start the containers that come back after a reboot",
    details:
      "Those that are always; unless-stopped, where they were not stopped; on-failure, where they had not ended well. What runs, or was never started, is left as it is.",
    examples: [
      { command: "@reboot proa system boot", does: "a line for crontab(1), where there is no systemd" },
    ],
    seeAlso: ["proa-system-enable(1)", "proa-start(1)"],
  },
  args: {},
  run: ({ app }) => startAtBoot(app),
});
