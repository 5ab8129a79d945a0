import { findContainer, signalNumber, specOf, startDetached, stopContainers } from "../../container";
import type { ContainerRow } from "../../state";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { sourceOf } from "./_source";

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
    signal: {
      type: "string",
      alias: "s",
      valueHint: "SIGNAL",
      value: "signal",
      description: "Signal to send in place of the container's own",
    },
    timeout: {
      type: "int",
      alias: "t",
      hiddenNames: ["time"],
      valueHint: "SECONDS",
      description: "Seconds until it is killed; negative: never",
    },
    container: { type: "positional", rest: true, value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const signal = args.signal === undefined ? undefined : signalNumber(args.signal);
    const found = new Map<string, ContainerRow>(); // by what was typed
    const status = await forEachTarget(io, args.container, async (name) => {
      found.set(name, await findContainer(context, "restart", name));
    });
    stopContainers(context, [...found.values()], { signal, timeoutSeconds: args.timeout });
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
