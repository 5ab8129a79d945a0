import { stopContainers } from "../../container";
import { defineCommand } from "../tree";
import { stopArgs, stopOptionsFrom } from "./_stop-options";
import { chooseContainers, optionalNames, targetArgs } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Stop running containers",
    details:
      "Each is asked by its stop signal (TERM), all at once, and killed when it has not ended in time. None is started again by its restart policy.",
    examples: [
      { command: "proa stop web db", does: "stop both, waiting ten seconds at most" },
      { command: "proa stop -t 0 web", does: "stop it at once" },
      { command: "proa stop --all", does: "stop all that run" },
    ],
    seeAlso: ["proa-start(1)", "proa-kill(1)", "proa-rm(1)"],
  },
  args: {
    ...stopArgs,
    ...targetArgs,
    ignore: { type: "boolean", alias: "i", description: "A container that is not there is no error" },
    container: { ...optionalNames, value: "running-container", description: "Name or id" },
  },
  async run({ app, args }) {
    const options = stopOptionsFrom(args);
    const choice = { ...args, names: args.container };
    const { targets, status } = await chooseContainers(
      app,
      "stop",
      choice,
      (row) => row.status === "running",
    );
    await stopContainers(
      app.context,
      targets.map(({ row }) => row),
      options,
    );
    for (const { name } of targets) app.io.stdout.write(`${name}\n`);
    return status;
  },
});
