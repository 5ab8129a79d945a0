import { findContainer, topContainer } from "../../container";
import { usageError } from "../args";
import { tableOf } from "../output/table";
import { defineCommand } from "../tree";
import { newest } from "./_targets";

export const command = defineCommand({
  meta: {
    usage: "[OPTIONS] CONTAINER [PS-OPTION...|COLUMN...]",
    description: "Show the processes of a container",
    details:
      "They are listed by the host's ps(1), with the host's numbers and users; or with the container's own, in the columns that are named: args, capamb, capbnd, capeff, capinh, capprm, cgroup, comm, etime, group, groups, hgroup, hgroups, hpid, huser, label, nice, pcpu, pgid, pid, ppid, rgroup, rss, ruser, seccomp, state, stime, time, tty, user, vsz.",
    examples: [
      { command: "proa top web", does: "show what runs in it" },
      { command: "proa top web -o pid,rss,args", does: "ps's columns of one's choice; PID must be one" },
      { command: "proa top web pid user args", does: "what the container itself sees" },
    ],
    seeAlso: ["proa-ps(1)", "ps(1)"],
  },
  interspersed: false,
  args: {
    latest: { type: "boolean", alias: "l", description: "Of the newest container: no name is given" },
    container: {
      type: "positional",
      required: false,
      value: "running-container",
      description: "Name or id",
    },
    options: {
      type: "positional",
      rest: true,
      required: false,
      valueHint: "PS-OPTION",
      value: "none",
      description: "Options of ps in place of -ef",
    },
  },
  async run({ app, args }) {
    const { latest, container } = args;
    if (!latest && container === undefined)
      throw usageError('"proa top" requires at least 1 argument: no CONTAINER given');
    const row = latest
      ? await newest(app, "list processes")
      : await findContainer(app.context, "list processes", container ?? "");
    const options = latest && container !== undefined ? [container, ...args.options] : args.options;
    const { titles, processes } = await topContainer(app.context, row, options);
    const { io } = app;
    const text = tableOf(titles, processes);
    const width = io.stdout.columns;
    io.stdout.write(width === undefined ? text : await narrowed(text, titles, processes, width));
  },
});

async function narrowed(
  text: string,
  titles: readonly string[],
  processes: readonly (readonly string[])[],
  width: number,
): Promise<string> {
  const { isWider, narrowTable } = await import("../output/narrow");
  if (!isWider(text, width)) return text;
  const isCommand = (title: string): boolean => /^(CMD|COMMAND|ARGS)$/.test(title);
  return narrowTable(
    titles,
    processes,
    titles.map((title) => !isCommand(title)),
    width,
  );
}
