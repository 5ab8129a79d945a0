import { describeNetwork, findContainer, inspectContainer } from "../../container";
import { EngineError, isNotFound } from "../../error";
import { findImage, inspectImage } from "../../image";
import { findNetwork } from "../../network";
import type { Context } from "../../state";
import { documentFlags, printDocuments } from "../_flags";
import type { App } from "../app";
import { defineCommand } from "../tree";

const types = ["container", "image", "network"] as const;
type Type = (typeof types)[number];

export const command = defineCommand({
  meta: {
    description: "Show all that is known of containers, images and networks",
    details: "A name that several things have means the container, then the image, then the network.",
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
      value: { oneOf: types },
      description: "Only things of this type",
    },
    object: { type: "positional", rest: true, value: "container", description: "Name or id" },
  },
  run({ app, args }) {
    return printDocuments(app, args.object, args.format, async (name) => documentOf(app, name, args.type));
  },
});

const inspectors: Record<Type, (context: Context, name: string) => Promise<unknown> | unknown> = {
  container: async (context, name) =>
    inspectContainer(context, await findContainer(context, "inspect", name)),
  image: (context, name) => inspectImage(context, findImage(context, name)),
  network: (context, name) => describeNetwork(context, findNetwork(context, "inspect", name), false),
};

async function documentOf({ context }: App, name: string, type: Type | undefined): Promise<unknown> {
  for (const each of type === undefined ? types : [type]) {
    try {
      return await inspectors[each](context, name);
    } catch (error) {
      if (!isNotFound(error) || type !== undefined) throw error;
    }
  }
  throw new EngineError("not-found", "inspect", name, "no such container, image or network", { exitCode: 1 });
}
