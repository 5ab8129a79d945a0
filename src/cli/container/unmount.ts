import { unmountContainer } from "../../container";
import { EngineError } from "../../error";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { chooseContainers, optionalNames, targetArgs } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Take off what proa mount has mounted",
    examples: [{ command: "proa unmount web", does: "within the shell that has mounted it" }],
    seeAlso: ["proa-unshare(1)", "proa-mount(1)"],
  },
  args: {
    all: { ...targetArgs.all, description: "All that are mounted" },
    latest: targetArgs.latest,
    force: { type: "boolean", alias: "f", description: "Also where something uses it" },
    container: { ...optionalNames, value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    const choice = { names: args.container, all: args.all, latest: args.latest };
    const { targets, status } = await chooseContainers(app, "unmount", choice);
    const failed = await forEachTarget(app.io, targets, ({ name, row }) => {
      if (unmountContainer(app.context, row, args.force)) return name;
      if (args.all) return undefined;
      throw new EngineError("invalid", "unmount", row.name, "it is not mounted here", { exitCode: 1 });
    });
    return status || failed;
  },
});
