import { findImage, type HistoryLine, historyOf } from "../../image";
import { rowFlags } from "../_flags";
import { type Field, formatRows } from "../output/format";
import { humanSize } from "../output/size";
import { localTime, timeAgo } from "../output/time";
import { defineCommand } from "../tree";

const STEP_WIDTH = 45; // characters, as docker shows it

const fields = (nowMs: number): Record<string, Field<HistoryLine>> => ({
  ID: {
    header: "IMAGE",
    value: ({ id }, { noTrunc }) => (noTrunc ? id : id.replace("sha256:", "").slice(0, 12)),
  },
  CreatedSince: {
    header: "CREATED",
    value: ({ createdMs }) => (createdMs === 0 ? "N/A" : timeAgo(createdMs, nowMs)),
  },
  CreatedAt: {
    header: "CREATED AT",
    value: ({ createdMs }) => (createdMs === 0 ? "N/A" : localTime(createdMs)),
  },
  CreatedBy: {
    header: "CREATED BY",
    value: ({ createdBy }, { noTrunc }) => (noTrunc ? createdBy : shorten(createdBy)),
  },
  Size: { header: "SIZE", value: ({ sizeBytes }) => humanSize(sizeBytes, 3) },
  Comment: { header: "COMMENT", value: ({ comment }) => comment },
});

export const command = defineCommand({
  meta: {
    description: "Show how an image was made",
    examples: [{ command: "proa history --no-trunc debian", does: "its steps, newest first, in full" }],
    seeAlso: ["proa-images(1)"],
  },
  args: {
    ...rowFlags,
    image: { type: "positional", value: "image", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const text = await formatRows(historyOf(context, findImage(context, args.image)), {
      fields: fields(context.now()),
      columns: ["ID", "CreatedSince", "CreatedBy", "Size", "Comment"],
      quietField: "ID",
      quiet: args.quiet,
      noTrunc: args["no-trunc"],
      format: args.format,
    });
    io.stdout.write(text);
  },
});

function shorten(text: string): string {
  return text.length > STEP_WIDTH ? `${text.slice(0, STEP_WIDTH - 1)}…` : text;
}
