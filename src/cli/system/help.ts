import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show the manual's page of a command or a subject",
    details:
      "The text is that of man(1). Without a word it is the short help of proa; that of a command is shown by --help. Subjects are networks, rootless and config. On a terminal that is too low for it the text is shown by $PAGER, or less.",
    examples: [
      { command: "proa help run", does: "all about proa run" },
      { command: "proa help networks", does: "how containers reach each other and the world" },
    ],
    seeAlso: ["man(1)", "less(1)"],
  },
  args: {
    topic: {
      type: "positional",
      required: false,
      rest: true,
      valueHint: "COMMAND",
      value: "topic",
      description: "Words of the command, or a subject",
    },
  },
  async run({ app, args }) {
    const { io, env } = app;
    const [{ helpFor, noSuchTopic }, { findCommand }] = await Promise.all([
      import("../help"),
      import("../find"),
    ]);
    const { columns } = io.stdout;
    if (args.topic.length === 0) {
      io.stdout.write(await helpFor([], { columns, on: io.stdout, env }));
      return;
    }
    const { pageAbout } = await import("../man");
    const page = await pageAbout(args.topic);
    if (page === undefined) {
      const named = findCommand(args.topic)?.words ?? args.topic.length;
      if (args.topic.length < 2 || named < args.topic.length) throw noSuchTopic(args.topic);
      io.stdout.write(await helpFor(args.topic, { columns, on: io.stdout, env })); // a group of commands
      return;
    }
    const [{ textOf }, { usesColour }, { printPaged }] = await Promise.all([
      import("../page-text"),
      import("../output/colour"),
      import("../_pager"),
    ]);
    await printPaged(io, textOf(page, { width: columns ?? 80, styled: usesColour(io.stdout, env) }));
  },
});
