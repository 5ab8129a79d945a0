import { defineCommand } from "../tree";

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
    const { complete, printCompletion } = await import("../completion");
    app.io.stdout.write(printCompletion(await complete(app, args.words)));
  },
});
