import { findContainer, restartInPlace, specOf, startDetached, stopContainers, tell } from "../../container";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { sourceOf } from "./_source";
import { stopArgs, stopOptionsFrom } from "./_stop-options";
import { chooseContainers, optionalNames, targetArgs } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Stop containers and start them again",
    details: "All are stopped at once, as stop does it, then started; one that does not run is started.",
    examples: [
      { command: "proa restart web", does: "restart it, waiting ten seconds at most for its end" },
      { command: "proa restart -t 0 web db", does: "kill both, and start them again" },
    ],
    seeAlso: ["proa-stop(1)", "proa-start(1)"],
  },
  args: {
    ...stopArgs,
    ...targetArgs,
    running: { type: "boolean", description: "All that run, in place of names" },
    container: { ...optionalNames, value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const options = stopOptionsFrom(args);
    const { targets, status } = await chooseContainers(
      app,
      "restart",
      { ...args, all: args.all || args.running, names: args.container },
      (row) => !args.running || row.status === "running",
    );
    await stopContainers(
      context,
      targets.map(({ row }) => row).filter((row) => row.auto_remove === 0),
      options,
    );
    let failed = false;
    const restarted = await forEachTarget(io, targets, async ({ name, row: before }) => {
      if (before.auto_remove === 1 && (await restartInPlace(context, before, options))) {
        tell(context, before, "restart");
        return name;
      }
      const row = await findContainer(context, "restart", before.id);
      const spec = specOf(context, row);
      const started = await startDetached(context, row, spec, await sourceOf(app, row, spec));
      failed ||= started !== 0;
      if (started !== 0) return;
      tell(context, row, "restart", {}, spec);
      return name;
    });
    return failed ? 1 : status || restarted;
  },
});
