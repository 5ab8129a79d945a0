import { defineCommand } from "../tree";
import { quiet } from "./complete";

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
    const { complete, printCompletion, wordsAfter } = await import("../completion");
    const completion = await complete(quiet(app), args.words, wordsAfter(app.env["PROA_COMPLETE_AFTER"]));
    app.io.stdout.write(
      printCompletion({ ...completion, candidates: completion.candidates.map(({ value }) => ({ value })) }),
    );
  },
});
