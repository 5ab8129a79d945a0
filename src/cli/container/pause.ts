import { liveState, pauseContainer } from "../../container";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { chooseContainers, optionalNames, targetArgs } from "./_targets";

export const command = defineCommand({
  meta: {
    usage: "[OPTIONS] CONTAINER...",
    description: "Stop all processes of containers where they are",
    details:
      "They use no CPU until unpause. Where there is no control group for it they are stopped by a signal, which their parents can see.",
    examples: [
      { command: "proa pause web", does: "let a server stand still" },
      { command: "proa pause --all", does: "all that run" },
    ],
    seeAlso: ["proa-unpause(1)"],
  },
  args: {
    ...targetArgs,
    container: { ...optionalNames, value: "active-container", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const choice = { ...args, names: args.container };
    const { targets, status } = await chooseContainers(
      app,
      "pause",
      choice,
      (row) => row.status === "running" && liveState(context, row)?.status === "running",
    );
    const failed = await forEachTarget(io, targets, async ({ name, row }) => {
      await pauseContainer(context, row, true);
      return name;
    });
    return status || failed;
  },
});
