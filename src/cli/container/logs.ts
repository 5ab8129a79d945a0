import { findContainer, type LogLine, type LogSink, readLog } from "../../container";
import { EngineError } from "../../error";
import { timeOf } from "../_moment";
import type { Io } from "../io";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show the output of a container",
    examples: [
      { command: "proa logs -f web", does: "show it as it comes, until the container ends" },
      { command: "proa logs --tail 20 --since 10m web", does: "the last lines of the last ten minutes" },
    ],
    seeAlso: ["proa-attach(1)"],
  },
  args: {
    follow: { type: "boolean", alias: "f", description: "Go on as output comes, until the container ends" },
    tail: {
      type: "string",
      alias: "n",
      valueHint: "LINES",
      default: "all",
      description: "Lines from the end",
    },
    since: {
      type: "string",
      valueHint: "TIME",
      description: "Only what came later: a time, or a duration such as 10m",
    },
    until: { type: "string", valueHint: "TIME", description: "Only what came earlier" },
    timestamps: { type: "boolean", alias: "t", description: "Show the time of each line" },
    container: { type: "positional", value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const row = await findContainer(context, "logs", args.container);
    const options = {
      follow: args.follow,
      tail: tailOf(args.tail),
      sinceMs: args.since === undefined ? undefined : timeOf("since", args.since, context.now()),
      untilMs: args.until === undefined ? undefined : timeOf("until", args.until, context.now()),
    };
    await readLog(context, row, options, batched(io, args.timestamps));
  },
});

const BATCH = 64 << 10; // characters: one call to write for many lines

/** Lines written in batches, in their order over both streams. */
function batched(io: Io, timestamps: boolean): LogSink {
  let stream: LogLine["stream"] = "stdout";
  let text = "";
  const flush = (): void => {
    const out = text;
    text = "";
    if (out !== "") (stream === "stderr" ? io.stderr : io.stdout).write(out);
  };
  return {
    line(line) {
      if (line.stream !== stream || text.length > BATCH) flush();
      stream = line.stream;
      text += timestamps ? `${line.time} ${line.log}` : line.log;
    },
    flush,
  };
}

function tailOf(text: string): number | undefined {
  if (text === "all" || text.startsWith("-")) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new EngineError("invalid", "tail", text, 'expected a number or "all"');
}
