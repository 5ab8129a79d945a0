import { findContainer, removeContainer } from "../../container";
import { EngineError } from "../../error";
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
  run({ app, args }) {
    return forEachTarget(app.io, args.container, async (name) => {
      try {
        await removeContainer(
          app.context,
          await findContainer(app.context, "remove container", name),
          args.force,
        );
      } catch (error) {
        const isGone = error instanceof EngineError && error.code === "not-found";
        if (!args.force || !isGone) throw error;
        return undefined;
      }
      return name;
    });
  },
});
