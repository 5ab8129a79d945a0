import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show the help of a command",
    examples: [{ command: "proa help run", does: "the options of proa run" }],
  },
  args: {
    topic: {
      type: "positional",
      required: false,
      rest: true,
      valueHint: "COMMAND",
      description: "Words of the command",
    },
  },
  async run({ app, args }) {
    const { helpFor } = await import("../help");
    app.io.stdout.write(await helpFor(args.topic, { columns: app.io.stdout.columns }));
  },
});
