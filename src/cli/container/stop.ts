import { findContainer, stopContainers } from "../../container";
import type { ContainerRow } from "../../state";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { stopArgs, stopOptionsFrom } from "./_stop-options";

export const command = defineCommand({
  meta: {
    description: "Stop running containers",
    details:
      "Each is asked by its stop signal (TERM), all at once, and killed when it has not ended in time.",
    examples: [
      { command: "proa stop web db", does: "stop both, waiting ten seconds at most" },
      { command: "proa stop -t 0 web", does: "stop it at once" },
    ],
    seeAlso: ["proa-start(1)", "proa-kill(1)", "proa-rm(1)"],
  },
  args: {
    ...stopArgs,
    container: { type: "positional", rest: true, value: "running-container", description: "Name or id" },
  },
  async run({ app, args }) {
    const options = stopOptionsFrom(args);
    const found: [string, ContainerRow][] = [];
    const status = await forEachTarget(app.io, args.container, async (name) => {
      found.push([name, await findContainer(app.context, "stop", name)]);
    });
    stopContainers(
      app.context,
      found.map(([, row]) => row),
      options,
    );
    for (const [name] of found) app.io.stdout.write(`${name}\n`);
    return status;
  },
});
