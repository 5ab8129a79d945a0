import { findImage, type HistoryLine, historyOf } from "../../image";
import { rowFlags } from "../_flags";
import { type Field, formatRows } from "../output/format";
import { humanSize } from "../output/size";
import { localTime, timeAgo } from "../output/time";
import { defineCommand } from "../tree";
import { checkPlatform } from "./_platform";

const STEP_WIDTH = 45; // characters, as docker shows it

type More = { nowMs: number; human: boolean };

const fields = ({ nowMs, human }: More): Record<string, Field<HistoryLine>> => {
  const date = ({ createdMs }: HistoryLine) => (createdMs === 0 ? "N/A" : rfc3339(createdMs));
  const ago = ({ createdMs }: HistoryLine) => (createdMs === 0 ? "N/A" : timeAgo(createdMs, nowMs));
  return {
    ID: {
      header: "IMAGE",
      isWhole: true,
      value: ({ id }, { noTrunc }) => (noTrunc ? id : id.replace("sha256:", "").slice(0, 12)),
    },
    CreatedSince: { header: human ? "CREATED" : "CREATED AT", value: human ? ago : date },
    CreatedAt: { header: "CREATED AT", value: date },
    CreatedBy: {
      header: "CREATED BY",
      value: ({ createdBy }, { noTrunc }) => (noTrunc ? createdBy : shorten(createdBy)),
    },
    Size: {
      header: "SIZE",
      value: ({ sizeBytes }) => (human ? humanSize(sizeBytes, 3) : String(sizeBytes)),
    },
    Comment: { header: "COMMENT", value: ({ comment }) => comment },
    // podman's names
    Created: { header: "CREATED", value: human ? ago : date, isExtra: true },
    Tags: { header: "TAGS", value: ({ tags }) => tags, isExtra: true },
  };
};

export const command = defineCommand({
  meta: {
    description: "Show how an image was made",
    examples: [
      { command: "proa history --no-trunc debian", does: "its steps, newest first, in full" },
      { command: "proa history --human=false debian", does: "times and sizes as numbers" },
    ],
    seeAlso: ["proa-images(1)"],
  },
  args: {
    ...rowFlags,
    human: {
      type: "boolean",
      alias: "H",
      default: true,
      description: "Sizes and times for people; with --human=false in bytes and as dates",
    },
    platform: {
      type: "string",
      valueHint: "OS/ARCH",
      value: "platform",
      description: "Only if it is the image for this platform",
    },
    image: { type: "positional", value: "image", description: "Name or id" },
  },
  fields: () => Object.keys(fields({ nowMs: 0, human: false })),
  async run({ app, args }) {
    const { context, io } = app;
    const image = findImage(context, args.image);
    checkPlatform("history", args.image, image, args.platform);
    const text = await formatRows(historyOf(context, image), {
      fields: fields({ nowMs: context.now(), human: args.human }),
      columns: ["ID", "CreatedSince", "CreatedBy", "Size", "Comment"],
      quietField: "ID",
      quiet: args.quiet,
      noTrunc: args["no-trunc"],
      noHeading: args.noheading,
      on: io.stdout,
      format: args.format,
    });
    io.stdout.write(text);
  },
});

/** As docker writes the date of a layer: in the user's zone, without a fraction of a second. */
function rfc3339(ms: number): string {
  const [day, time, zone = ""] = localTime(ms).split(" ");
  return `${day}T${time}${/^[+-]0000$/.test(zone) ? "Z" : zone.replace(/\d\d$/, ":$&")}`;
}

function shorten(text: string): string {
  return text.length > STEP_WIDTH ? `${text.slice(0, STEP_WIDTH - 1)}…` : text;
}
