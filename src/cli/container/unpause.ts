import { liveState, pauseContainer } from "../../container";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { chooseContainers, optionalNames, targetArgs } from "./_targets";

export const command = defineCommand({
  meta: {
    usage: "[OPTIONS] CONTAINER...",
    description: "Let the processes of paused containers go on",
    examples: [
      { command: "proa unpause web", does: "let a server go on" },
      { command: "proa unpause --all", does: "all that are paused" },
    ],
    seeAlso: ["proa-pause(1)"],
  },
  args: {
    ...targetArgs,
    container: { ...optionalNames, value: "paused-container", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const choice = { ...args, names: args.container };
    const { targets, status } = await chooseContainers(
      app,
      "unpause",
      choice,
      (row) => row.status === "running" && liveState(context, row)?.status === "paused",
    );
    const failed = await forEachTarget(io, targets, async ({ name, row }) => {
      await pauseContainer(context, row, false);
      return name;
    });
    return status || failed;
  },
});
