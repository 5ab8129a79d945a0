import { listContainers } from "../../container";
import { isNotFound } from "../../error";
import { allVolumes, withReserve } from "../../state";
import { findVolume, removeVolume } from "../../volume";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Remove volumes",
    details:
      "A volume that a container mounts stays, whether or not the container runs, and its users are named.",
    examples: [
      { command: "proa volume rm data", does: "remove one, with all that is in it" },
      { command: "proa volume rm -f old older", does: "remove two, if they are there" },
    ],
    seeAlso: ["proa-volume-prune(1)", "proa-rm(1)"],
  },
  args: {
    force: { type: "boolean", alias: "f", description: "One that is not there is no error" },
    all: { type: "boolean", alias: "a", description: "All volumes" },
    volume: { type: "positional", required: false, rest: true, value: "volume", description: "Name" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    if (args.all === args.volume.length > 0)
      throw usageError(args.all ? "--all takes no names" : "a VOLUME is missing");
    await withReserve(context, () => listContainers(context, false)); // those of --rm that have ended hold no volume
    const names = args.all ? allVolumes(context.db()).map(({ name }) => name) : args.volume;
    return forEachTarget(io, names, async (name) => {
      try {
        await withReserve(context, () => removeVolume(context, findVolume(context, "remove volume", name)));
      } catch (error) {
        if (!args.force || !isNotFound(error)) throw error;
      }
      return name;
    });
  },
});
