import { changesOf, findContainer } from "../../container";
import { EngineError } from "../../error";
import type { App } from "../app";
import { usageError } from "../args";
import { writeChanges } from "../output/changes";
import { defineCommand } from "../tree";
import { newest } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Show what a container has changed in the files of its image",
    details: `A line each, sorted by path: A for what was added, C for what was changed, D for what was deleted. A directory is changed when something in it is. Volumes, other
mounts and the places they are mounted at are left out. Where no container has the name but an image has, it is what the image's last layer changes.`,
    examples: [
      { command: "proa diff web", does: "what web has written so far" },
      { command: "proa diff --format json web", does: "the same for a program" },
    ],
    seeAlso: ["proa-commit(1)", "proa-cp(1)"],
  },
  args: {
    format: {
      type: "string",
      valueHint: "FORMAT",
      value: { suggest: ["json"] },
      description: "Print one JSON object in place of lines",
    },
    latest: { type: "boolean", alias: "l", description: "The newest container, in place of a name" },
    container: { type: "positional", required: false, value: "container", description: "Name or id" },
  },
  async run({ app, args, typed }) {
    if (args.format !== undefined && args.format !== "json") {
      throw new EngineError("usage", "diff", `--format ${args.format}`, "only json is known");
    }
    if (args.container === undefined && !args.latest) {
      throw usageError(`"${typed}" requires exactly 1 argument: no CONTAINER given`);
    }
    const changes =
      args.container === undefined
        ? await changesOf(app.context, await newest(app, "diff"))
        : await changesByName(app, args.container);
    writeChanges(app.io, changes, args.format === "json");
  },
});

/** podman's `diff` takes images, too; a container comes before an image of its name. */
async function changesByName({ context }: App, name: string) {
  let row: Awaited<ReturnType<typeof findContainer>>;
  try {
    row = await findContainer(context, "diff", name);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== "not-found") throw error;
    const { changesOfImage, lookUpImage } = await import("../../image");
    const image = lookUpImage(context, name);
    if (image === null) throw error;
    return changesOfImage(context, image);
  }
  return changesOf(context, row);
}
