import { createContainer, findContainer, removeContainers, specOf, startDetached } from "../../container";
import type { ContainerSpec } from "../../oci";
import { defineCommand } from "../tree";
import { limitArgs, limitsFrom } from "./_limit-options";
import { sourceOf } from "./_source";

export const command = defineCommand({
  meta: {
    description: "Create a container that is set up as another one is",
    details:
      "It has the other's command, options and image, or IMAGE, but nothing of what the other has written. Its name is NAME, or the other's with -clone behind it. Addresses and published ports are asked for again: where they are fixed, only one of the two can run.",
    usage: "[OPTIONS] CONTAINER [NAME [IMAGE]]",
    examples: [
      { command: "proa container clone web web2", does: "a second one" },
      { command: "proa container clone --destroy -f --run web", does: "a fresh one in its place" },
    ],
    seeAlso: ["proa-create(1)"],
  },
  args: {
    destroy: { type: "boolean", description: "Remove the other one" },
    force: { type: "boolean", alias: "f", description: "With --destroy: though it runs" },
    name: { type: "string", valueHint: "NAME", value: "none", description: "Name of the new container" },
    run: { type: "boolean", description: "Start the new container" },
    ...limitArgs,
    container: { type: "positional", value: "container", description: "Name or id" },
    newName: {
      type: "positional",
      required: false,
      valueHint: "NAME",
      value: "none",
      description: "Name of the new container",
    },
    image: {
      type: "positional",
      required: false,
      value: "image",
      valueHint: "IMAGE",
      description: "Another image",
    },
  },
  async run({ app, args, given }): Promise<number | undefined> {
    const { context, io } = app;
    const row = await findContainer(context, "clone container", args.container);
    const { Warnings: _before, ...before } = specOf(context, row);
    const resources = limitsFrom(args, given);
    const spec: ContainerSpec = {
      ...before,
      Hostname: before.Hostname === row.id.slice(0, 12) ? "" : before.Hostname,
      Image: args.image ?? before.Image,
      HostConfig: {
        ...before.HostConfig,
        ...(resources.Memory !== undefined ? { MemorySwap: 0 } : {}), // it goes by the memory where it is not said
        ...resources,
      },
    };
    delete spec.MountPoints; // worked out anew
    let imageId = row.image_id;
    if (args.image !== undefined) {
      const { obtainImage } = await import("../image/obtain");
      imageId = (await obtainImage(app, args.image, { pull: "missing", platform: undefined, quiet: false }))
        .id;
    }
    const name = args.newName ?? args.name ?? (await freeName(app, row.name));
    if (args.destroy) {
      const failure = (await removeContainers(context, [row], args.force)).get(row.id);
      if (failure) throw failure;
    }
    const made = await createContainer(context, { name, spec, imageId });
    io.stdout.write(`${made.id}\n`);
    if (!args.run) return;
    const now = specOf(context, made);
    return startDetached(context, made, now, await sourceOf(app, made, now));
  },
});

/** `web-clone`, or the first of `web-clone1`, `web-clone2` … that is free. */
async function freeName({ context }: Parameters<typeof sourceOf>[0], name: string): Promise<string> {
  const { containerByName } = await import("../../state");
  for (let count = 0; ; count++) {
    const wanted = `${name}-clone${count === 0 ? "" : count}`;
    if (!containerByName(context.db(), wanted)) return wanted;
  }
}
