import { initContainer } from "../../container";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { chooseContainers, optionalNames, targetArgs } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Make containers ready to be started",
    details: `Unpacks what is missing of the image, and makes the writable layer and the volumes. Its files can be changed then (proa cp), and a start has less to do. It is not started, and holds no
address and no port.`,
    examples: [{ command: "proa init web", does: "prepare a container that was created" }],
    seeAlso: ["proa-create(1)", "proa-start(1)"],
  },
  args: {
    all: { ...targetArgs.all, description: "All that have never been started" },
    latest: targetArgs.latest,
    container: { ...optionalNames, value: "stopped-container", description: "Name or id" },
  },
  async run({ app, args }) {
    const choice = { names: args.container, all: args.all, latest: args.latest };
    const { targets, status } = await chooseContainers(
      app,
      "init",
      choice,
      (row) => row.status === "created",
    );
    const failed = await forEachTarget(app.io, targets, async ({ name, row }) => {
      await initContainer(app.context, row);
      return name;
    });
    return status || failed;
  },
});
