import { defineCommand } from "../tree";

/** The same as `__complete` without descriptions: what `completion --no-desc` has the scripts call. */
export const command = defineCommand({
  meta: { description: "Print what may stand in place of the last word, and nothing about it", hidden: true },
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
    await (await import("../key-press")).answer(app.io, app.globals, args.words, true);
  },
});
