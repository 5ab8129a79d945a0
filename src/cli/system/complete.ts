import { type App, createApp } from "../app";
import { defineCommand } from "../tree";

/** Without warnings, and without the means to change anything: nobody has asked for anything yet. */
export function quiet({ io, globals }: App): App {
  return createApp(io, { ...globals, logLevel: "fatal" }, true);
}

/** What the completion scripts call: `proa __complete WORD...`, the last word being the one that is typed. */
export const command = defineCommand({
  meta: { description: "Print what may stand in place of the last word", hidden: true },
  args: {
    words: {
      type: "positional",
      required: false,
      rest: true,
      description: "The words behind the program's name",
    },
  },
  parsed: false,
  async run({ app, args }) {
    // Called by a shell in the middle of typing: whatever goes wrong, nothing may appear on the terminal.
    const { complete, printCompletion, wordsAfter } = await import("../completion");
    const completion = await complete(quiet(app), args.words, wordsAfter(app.env["PROA_COMPLETE_AFTER"]));
    app.io.stdout.write(printCompletion(completion));
  },
});
