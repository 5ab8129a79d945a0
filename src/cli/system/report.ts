import { EngineError } from "../../error";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Write all that a bug report needs",
    details:
      "Versions, the machine, what info and doctor say, settings, the last failures, and of a container its configuration, its state and its last events. Left out are the container's command line and health check, the values of its environment, labels and annotations, what it has written (log, output of checks), the commands of exec, and all else that looks like a password, a token or a key; the home directory is written as ~. Read it all the same before it goes to anybody. What a command did can be added by repeating it with --log-level trace.",
    examples: [
      { command: "proa system report -o report.txt", does: "into a file of one's own" },
      { command: "proa system report web", does: "with all about the container web" },
    ],
    seeAlso: ["proa-info(1)", "proa-doctor(1)", "proa-why(1)"],
  },
  args: {
    output: {
      type: "string",
      alias: "o",
      valueHint: "FILE",
      value: "file",
      description: "Write to a file in place of stdout",
    },
    container: {
      type: "positional",
      required: false,
      value: "container",
      description: "The container that it is about, by name or id",
    },
  },
  async run({ app, args }) {
    const { reportOf } = await import("./_bug-report");
    const text = await reportOf(app, args.container);
    if (args.output === undefined) {
      app.io.stdout.write(text);
      return;
    }
    const { writeFileSync } = await import("node:fs");
    try {
      writeFileSync(args.output, text, { mode: 0o600 });
    } catch (error) {
      throw new EngineError("io", "write report", args.output, error, { exitCode: 1 });
    }
    app.io.stdout.write(`${args.output}\n`);
  },
});
