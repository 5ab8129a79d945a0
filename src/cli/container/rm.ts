import { findContainer, removeContainers } from "../../container";
import { isNotFound } from "../../error";
import { type ContainerRow, withReserve } from "../../state";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Remove containers",
    details: "The container's writable layer and log go with it. One that runs is only removed with --force.",
    examples: [
      { command: "proa rm job", does: "remove a container that has ended" },
      { command: "proa rm -f $(proa ps -aq)", does: "remove every container" },
    ],
    seeAlso: ["proa-stop(1)", "proa-ps(1)"],
  },
  args: {
    force: {
      type: "boolean",
      alias: "f",
      description: "Kill it first where it runs; one that is not there is no error",
    },
    container: { type: "positional", rest: true, value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const found = new Map<string, ContainerRow>(); // by what was typed
    const status = await forEachTarget(io, args.container, async (name) => {
      try {
        found.set(name, await withReserve(context, () => findContainer(context, "remove container", name)));
      } catch (error) {
        if (!args.force || !isNotFound(error)) throw error;
      }
    });
    const rows = [...new Map([...found.values()].map((row) => [row.id, row])).values()];
    const failed = await withReserve(context, () => removeContainers(context, rows, args.force));
    const removed = await forEachTarget(io, [...found], ([name, row]) => {
      const error = failed.get(row.id);
      if (error) throw error;
      return name;
    });
    return status || removed;
  },
});
