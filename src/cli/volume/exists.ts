import { volumeByName } from "../../state";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Tell by the exit status whether a volume is there",
    details: "Nothing is printed.",
    examples: [
      { command: "proa volume exists data || proa volume create data", does: "make it where it is missing" },
    ],
    exitStatuses: [{ status: "1", meaning: "There is no such volume." }],
    seeAlso: ["proa-volume-ls(1)"],
  },
  args: { volume: { type: "positional", value: "volume", description: "Name" } },
  run({ app, args }) {
    return volumeByName(app.context.db(), args.volume) === null ? 1 : 0;
  },
});
