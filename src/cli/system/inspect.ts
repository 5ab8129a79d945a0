import { findContainer, inspectContainer } from "../../container";
import { EngineError } from "../../error";
import { findImage, inspectImage } from "../../image";
import { documentFlags, printDocuments } from "../_flags";
import type { App } from "../app";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show all that is known of containers and images",
    details: "A name that both a container and an image have means the container.",
    examples: [
      { command: "proa inspect web", does: "a JSON array of one document" },
      { command: "proa inspect -f '{{.State.Pid}}' web", does: "one field of it" },
    ],
    seeAlso: ["proa-ps(1)", "proa-images(1)"],
  },
  args: {
    ...documentFlags,
    type: {
      type: "string",
      valueHint: "TYPE",
      value: { oneOf: ["container", "image"] },
      description: "Only containers, or only images",
    },
    object: { type: "positional", rest: true, value: "container", description: "Name or id" },
  },
  run({ app, args }) {
    return printDocuments(app, args.object, args.format, async (name) => documentOf(app, name, args.type));
  },
});

async function documentOf(
  { context }: App,
  name: string,
  type: "container" | "image" | undefined,
): Promise<unknown> {
  if (type !== "image") {
    try {
      return inspectContainer(context, await findContainer(context, "inspect", name));
    } catch (error) {
      if (!isNotFound(error) || type === "container") throw error;
    }
  }
  try {
    return inspectImage(context, findImage(context, name));
  } catch (error) {
    if (!isNotFound(error) || type === "image") throw error;
    throw new EngineError("not-found", "inspect", name, "no such container or image", { exitCode: 1 });
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof EngineError && error.code === "not-found";
}
