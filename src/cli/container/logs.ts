import { type LogOf, showLogs } from "../../container";
import { EngineError } from "../../error";
import type { ContainerRow } from "../../state";
import { momentOf } from "../_moment";
import { defineCommand } from "../tree";
import { chooseContainers, optionalNames, targetArgs } from "./_targets";

/** Of the names that stand before the lines. */
const COLOURS = [34, 36, 35, 32, 33, 31, 94, 96];

export const command = defineCommand({
  meta: {
    description: "Show the output of containers",
    details:
      "What the container wrote to stdout comes on stdout, the rest on stderr. Reading costs the container nothing, however slow it is. With --follow it ends when the container has ended for good: between two lives of a restart policy it waits.",
    examples: [
      { command: "proa logs -f web", does: "show it as it comes, until the container ends" },
      { command: "proa logs --tail 20 --since 10m web", does: "the last lines of the last ten minutes" },
      { command: "proa logs --names web db", does: "of two containers, each line with the name of its own" },
    ],
    seeAlso: ["proa-attach(1)", "proa-events(1)"],
  },
  args: {
    follow: { type: "boolean", alias: "f", description: "Go on as output comes, until the container ends" },
    tail: {
      type: "string",
      alias: "n",
      valueHint: "LINES",
      value: "none",
      default: "all",
      description: "Lines from the end",
    },
    since: {
      type: "string",
      valueHint: "TIME",
      value: "none",
      description: "Only what came later: a time, or a duration such as 10m",
    },
    until: { type: "string", valueHint: "TIME", value: "none", description: "Only what came earlier" },
    timestamps: { type: "boolean", alias: "t", description: "Show the time of each line" },
    details: {
      type: "boolean",
      description: "Show what the log has beside each line: labels, variables, tag",
    },
    names: { type: "boolean", description: "Show the name of the container before each line" },
    color: { type: "boolean", description: "Show each container's name or id in a colour of its own" },
    latest: targetArgs.latest,
    container: { ...optionalNames, value: "container", description: "Names or ids" },
  },
  async run({ app, args }) {
    const { context } = app;
    const now = context.now();
    const options = {
      follow: args.follow,
      tail: tailOf(args.tail),
      since: args.since === undefined ? undefined : momentOf("since", args.since, now),
      until: args.until === undefined ? undefined : momentOf("until", args.until, now),
      timestamps: args.timestamps,
      details: args.details,
    };
    const choice = { names: args.container, latest: args.latest };
    const { targets, status } = await chooseContainers(app, "logs", choice);
    if (status !== 0) return status;
    const rows = targets.map(({ row }) => row);
    showLogs(context, prefixed(rows, args.names, args.color), options);
  },
});

/** Several are told apart by what stands before their lines. */
function prefixed(rows: ContainerRow[], names: boolean, color: boolean): LogOf[] {
  const isTold = names || color || rows.length > 1;
  return rows.map((row, i) => {
    const word = names ? row.name : row.id.slice(0, 12);
    const shown = color ? `\x1b[${COLOURS[i % COLOURS.length]}m${word}\x1b[0m` : word;
    return { row, prefix: isTold ? `${shown} ` : "" };
  });
}

function tailOf(text: string): number | undefined {
  if (text === "all" || text.startsWith("-")) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new EngineError("invalid", "tail", text, 'expected a number or "all"');
}
