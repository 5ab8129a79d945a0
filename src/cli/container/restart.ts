import { findContainer, specOf, startDetached, stopContainers } from "../../container";
import type { ContainerRow } from "../../state";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { sourceOf } from "./_source";
import { stopArgs, stopOptionsFrom } from "./_stop-options";

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
    container: { type: "positional", rest: true, value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const options = stopOptionsFrom(args);
    const found = new Map<string, ContainerRow>(); // by what was typed
    const status = await forEachTarget(io, args.container, async (name) => {
      found.set(name, await findContainer(context, "restart", name));
    });
    stopContainers(context, [...found.values()], options);
    let failed = false;
    const restarted = await forEachTarget(io, [...found.keys()], async (name) => {
      const row = await findContainer(context, "restart", name);
      const spec = specOf(context, row);
      const started = await startDetached(context, row, spec, await sourceOf(app, row, spec));
      failed ||= started !== 0;
      return started === 0 ? name : undefined;
    });
    return failed ? 1 : status || restarted;
  },
});
