import { defineCommand } from "../tree";

/** What the completion scripts call, for those who put options of proa itself in front of it; else it comes to key-press.ts at once. */
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
    await (await import("../key-press")).answer(app.io, app.globals, args.words, false);
  },
});
