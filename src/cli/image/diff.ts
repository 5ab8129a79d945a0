import { EngineError } from "../../error";
import { changesOfImage, findImage } from "../../image";
import { writeChanges } from "../output/changes";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show what the last layer of an image changes",
    details:
      "A line each, sorted by path: A for what was added, C for what was changed, D for what was deleted. Of an image of one layer all is added.",
    examples: [{ command: "proa image diff app", does: "what the last step of its making wrote" }],
    seeAlso: ["proa-diff(1)", "proa-history(1)"],
  },
  args: {
    format: {
      type: "string",
      valueHint: "FORMAT",
      value: { suggest: ["json"] },
      description: "Print one JSON object in place of lines",
    },
    image: { type: "positional", value: "image", description: "Name or id" },
  },
  async run({ app, args }) {
    if (args.format !== undefined && args.format !== "json") {
      throw new EngineError("usage", "image diff", `--format ${args.format}`, "only json is known");
    }
    const changes = await changesOfImage(app.context, findImage(app.context, args.image));
    writeChanges(app.io, changes, args.format === "json");
  },
});
