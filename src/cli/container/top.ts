import { findContainer, topContainer } from "../../container";
import { tableOf } from "../output/table";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    usage: "CONTAINER [PS-OPTION...]",
    description: "Show the processes of a container",
    details: "They are listed by the host's ps(1), with the host's numbers and users.",
    examples: [
      { command: "proa top web", does: "show what runs in it" },
      { command: "proa top web -o pid,rss,args", does: "the columns of one's choice; PID must be one" },
    ],
    seeAlso: ["proa-ps(1)", "ps(1)"],
  },
  interspersed: false,
  args: {
    container: { type: "positional", value: "running-container", description: "Name or id" },
    options: {
      type: "positional",
      rest: true,
      required: false,
      valueHint: "PS-OPTION",
      description: "Options of ps in place of -ef",
    },
  },
  async run({ app, args }) {
    const row = await findContainer(app.context, "list processes", args.container);
    const { titles, processes } = topContainer(app.context, row, args.options);
    app.io.stdout.write(tableOf(titles, processes));
  },
});
