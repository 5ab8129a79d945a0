import { describeNetwork, findContainer, inspectContainer, newestContainer } from "../../container";
import { EngineError, isNotFound } from "../../error";
import { findImage, inspectImage } from "../../image";
import { findNetwork } from "../../network";
import { documentFlags, printDocuments } from "../_flags";
import type { App } from "../app";
import { usageError } from "../args";
import { sizeArg } from "../container/inspect";
import { defineCommand } from "../tree";

const types = ["container", "image", "network", "volume", "secret"] as const;
type Type = (typeof types)[number];

/** podman's word for no choice, and kinds of things that proa has none of. */
const others = ["all", "pod", "service", "task", "node", "plugin", "config"] as const;

export const command = defineCommand({
  meta: {
    description: "Show all that is known of things of any kind",
    details: `Containers, images, networks, volumes and secrets. A name that several things have means the first of ${types.join(", ")} that has it.`,
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
      value: { oneOf: [...types, ...others] },
      description: "Only things of this type",
    },
    size: sizeArg,
    latest: { type: "boolean", alias: "l", description: "The newest container, in place of names" },
    object: {
      type: "positional",
      rest: true,
      required: false,
      value: "object",
      description: "Name or id",
    },
  },
  fields: async () => (await import("../document-fields")).fieldsOf("container"),
  async run({ app, args }) {
    if (args.latest === args.object.length > 0)
      throw usageError(args.latest ? "names and --latest cannot be used together" : NO_NAME);
    let names = args.object;
    if (args.latest) names = [(await newestContainer(app.context, "inspect")).id];
    const chosen = args.latest ? "container" : args.type;
    return printDocuments(app, names, args.format, (name) => documentOf(app, name, chosen, args.size));
  },
});

const NO_NAME = '"proa inspect" requires at least 1 argument: no OBJECT given';

type Inspector = (app: App, name: string, size: boolean) => Promise<unknown> | unknown;

const inspectors: Record<Type, Inspector> = {
  container: async ({ context }, name, size) =>
    inspectContainer(context, await findContainer(context, "inspect", name), { size }),
  image: ({ context }, name) => inspectImage(context, findImage(context, name)),
  network: ({ context }, name) => describeNetwork(context, findNetwork(context, "inspect", name), false),
  volume: async ({ context }, name) => {
    const { findVolume, inspectVolume } = await import("../../volume");
    return inspectVolume(context, findVolume(context, "inspect", name));
  },
  secret: async ({ context }, name) => {
    const { secretDocument } = await import("../secret/document");
    const { findSecret } = await import("../../state");
    return secretDocument(findSecret(context, "inspect", name));
  },
};

async function documentOf(
  app: App,
  name: string,
  type: Type | (typeof others)[number] | undefined,
  size: boolean,
): Promise<unknown> {
  for (const each of types) {
    if (type !== undefined && type !== "all" && type !== each) continue;
    try {
      return await inspectors[each](app, name, size);
    } catch (error) {
      if (!isMissing(error) || type === each) throw error;
    }
  }
  const what = type === undefined || type === "all" ? "object" : type;
  throw new EngineError("not-found", "inspect", name, `no such ${what}`, { exitCode: 1 });
}

/** A name that cannot be an image's is none. */
function isMissing(error: unknown): boolean {
  return isNotFound(error) || (error instanceof EngineError && error.code === "invalid");
}
