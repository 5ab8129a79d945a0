import { EngineError } from "../../error";
import { defineCommand } from "../tree";
import { prefixFlag } from "./install";

export const command = defineCommand({
  meta: {
    description: "Remove what proa system install has written",
    details:
      "Exactly those files, and the directories that were made for them. One that has been changed since stays, and is named. Images, containers and the executable are not touched.",
    examples: [{ command: "proa system uninstall", does: "remove manual, completions and unit" }],
    exitStatuses: [{ status: "1", meaning: "nothing is installed there, or something has to stay" }],
    seeAlso: ["proa-system-install(1)", "proa-system-disable(1)"],
  },
  args: {
    prefix: prefixFlag,
    quiet: { type: "boolean", alias: "q", description: "Print no paths" },
  },
  async run({ app: { context, io }, args }) {
    const { placesFor, takeAway } = await import("./_installation");
    const places = placesFor(context, args.prefix);
    const taken = takeAway(places);
    if (taken === null)
      throw new EngineError("not-found", "uninstall", places.record, "nothing is installed", { exitCode: 1 });
    if (!args.quiet) io.stdout.write(taken.removed.map((path) => `${path}\n`).join(""));
    for (const path of taken.kept) io.stderr.write(`${path}: it was changed since, and stays\n`);
    return taken.kept.length > 0 ? 1 : 0;
  },
});
