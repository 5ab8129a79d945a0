import { findContainer, specOf, startContainer, startDetached } from "../../container";
import { EngineError } from "../../error";
import type { App } from "../app";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { attachArgs, consoleSize, parseDetachKeys, requireTerminal } from "./_attach-options";
import { sourceOf } from "./_source";

export const command = defineCommand({
  meta: {
    description: "Start containers that were created or have ended",
    examples: [
      { command: "proa start web", does: "start it in the background" },
      { command: "proa start -ai job", does: "start it and take part, as run does" },
    ],
    seeAlso: ["proa-create(1)", "proa-stop(1)"],
  },
  args: {
    attach: { type: "boolean", alias: "a", description: "Show its output and pass its exit status on" },
    interactive: { type: "boolean", alias: "i", description: "Attach to its stdin" },
    ...attachArgs,
    container: { type: "positional", rest: true, value: "stopped-container", description: "Name or id" },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const attached = args.attach || args.interactive;
    const [first = "", ...more] = args.container;
    if (!attached) return startAll(app, args.container);
    if (more.length > 0)
      throw new EngineError(
        "invalid",
        "start",
        args.container.join(" "),
        "only one container can be attached to",
      );
    const row = await findContainer(context, "start", first);
    const spec = specOf(context, row);
    const stdin = args.interactive && spec.OpenStdin;
    requireTerminal(io, spec.Tty, stdin);
    await startContainer(context, row, spec, await sourceOf(app, row, spec), {
      attach: {
        stdin,
        stdout: true,
        stderr: true,
        detachKeys: parseDetachKeys(args["detach-keys"]),
        sigProxy: args["sig-proxy"] && !spec.Tty,
      },
      printId: false,
      consoleSize: spec.Tty ? consoleSize(io) : undefined,
    });
    return;
  },
});

/** In the background, one after the other; each failure has been reported where it happened. */
async function startAll(app: App, names: string[]): Promise<number> {
  let failed = false;
  const status = await forEachTarget(app.io, names, async (name) => {
    const row = await findContainer(app.context, "start", name);
    if (row.status === "running") return name;
    const spec = specOf(app.context, row);
    const started = await startDetached(app.context, row, spec, await sourceOf(app, row, spec));
    failed ||= started !== 0;
    return started === 0 ? name : undefined;
  });
  return failed ? 1 : status;
}
