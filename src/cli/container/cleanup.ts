import { forgetExecSession, removeContainers } from "../../container";
import { EngineError } from "../../error";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { chooseContainers, optionalNames, targetArgs } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Clear away what ended containers have left",
    details:
      "A container leaves no mount and no network behind, and every command sees to what a killed one has left: this one does so for those that are named, and says that it is done.",
    examples: [{ command: "proa container cleanup job", does: "see that its end is recorded" }],
    seeAlso: ["proa-rm(1)"],
  },
  args: {
    all: targetArgs.all,
    latest: targetArgs.latest,
    exec: {
      type: "string",
      valueHint: "SESSION",
      value: "none",
      description: "Only the record of an exec session of the container, which has ended",
    },
    "stopped-only": { type: "boolean", description: "Pass over a container that runs; it is no error" },
    "no-prune": {
      type: "boolean",
      description: "With --rmi, keep untagged parents of the image; proa's images have none",
    },
    rm: { type: "boolean", description: "Remove the container, too" },
    rmi: { type: "boolean", description: "Remove the container and its image, too" },
    container: { ...optionalNames, value: "stopped-container", description: "Name or id" },
  },
  async run({ app, args }) {
    if (args.exec !== undefined) {
      if (args.all || args.rm || args.rmi)
        throw usageError("--exec takes one container, and no --all, --rm or --rmi");
      if (args.container.length > 1) throw usageError("--exec takes one container");
    }
    const choice = { all: args.all, latest: args.latest, names: args.container };
    const { targets, status } = await chooseContainers(
      app,
      "container cleanup",
      choice,
      (row) => row.status !== "running",
    );
    const failed = await forEachTarget(app.io, targets, async ({ name, row }) => {
      if (args.exec !== undefined) {
        forgetExecSession(app.context, row, args.exec);
        return args.exec;
      }
      if (row.status === "running" && args["stopped-only"]) return undefined;
      if (row.status === "running")
        throw new EngineError("in-use", "clean up container", row.name, "it is running", { exitCode: 1 });
      if (args.rm || args.rmi) {
        const failure = (await removeContainers(app.context, [row], false)).get(row.id);
        if (failure) throw failure;
      }
      if (args.rmi && row.image_id !== null) {
        const { removeImage } = await import("../../image");
        await removeImage(app.context, row.image_ref, { isForced: false });
      }
      return name;
    });
    return status || failed;
  },
});
