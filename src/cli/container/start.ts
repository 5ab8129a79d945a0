import {
  attachToContainer,
  checkNotPaused,
  findContainer,
  specOf,
  startContainer,
  startDetached,
} from "../../container";
import { EngineError } from "../../error";
import type { App } from "../app";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { attachArgs, consoleSize, parseDetachKeys, requireTerminal } from "./_attach-options";
import { sourceOf } from "./_source";
import { chooseContainers, newest, optionalNames, type Target, targetArgs, targetNames } from "./_targets";

const { alias: _attach, ...all } = targetArgs.all; // -a is --attach, as docker has it

export const command = defineCommand({
  meta: {
    description: "Start containers that were created or have ended",
    examples: [
      { command: "proa start web", does: "start it in the background" },
      { command: "proa start -ai job", does: "start it and take part, as run does" },
      { command: "proa start --all", does: "start all that do not run" },
    ],
    seeAlso: ["proa-create(1)", "proa-stop(1)"],
  },
  args: {
    attach: { type: "boolean", alias: "a", description: "Show its output and pass its exit status on" },
    interactive: { type: "boolean", alias: "i", description: "Attach to its stdin" },
    ...attachArgs,
    all,
    latest: targetArgs.latest,
    filter: targetArgs.filter,
    checkpoint: {
      type: "string",
      valueHint: "NAME",
      hidden: true,
      description: "Refused: containers cannot be checkpointed",
    },
    "checkpoint-dir": {
      type: "string",
      valueHint: "DIRECTORY",
      hidden: true,
      description: "Refused, as --checkpoint",
    },
    container: { ...optionalNames, value: "stopped-container", description: "Name or id" },
  },
  async run({ app, args }): Promise<number | undefined> {
    const checkpoint = args.checkpoint ?? args["checkpoint-dir"];
    if (checkpoint !== undefined)
      throw (await import("../no-checkpoints")).noCheckpoints("start from checkpoint", checkpoint);
    const choice = { all: args.all, latest: args.latest, filter: args.filter };
    if (!args.attach && !args.interactive) {
      if (args.all || args.latest || args.filter.length > 0) {
        const suits = ({ status }: { status: string }) => status !== "running";
        const chosen = await chooseContainers(app, "start", { ...choice, names: args.container }, suits);
        return (await startAll(app, chosen.targets)) || chosen.status;
      }
      return startNames(app, targetNames("start", args.container, choice));
    }
    if (args.all || args.filter.length > 0) throw usageError("only one container can be attached to");
    const [first = "", ...more] = targetNames("start", args.container, choice);
    if (more.length > 0)
      throw new EngineError(
        "invalid",
        "start",
        args.container.join(" "),
        "you cannot start and attach multiple containers at once",
        { exitCode: 1 },
      );
    const { context, io } = app;
    const row = args.latest ? await newest(app, "start") : await findContainer(context, "start", first);
    const spec = specOf(context, row);
    const stdin = args.interactive && spec.OpenStdin;
    requireTerminal(io, spec.Tty, stdin);
    const attach = {
      stdin,
      stdout: true,
      stderr: true,
      detachKeys: parseDetachKeys(args["detach-keys"]),
      sigProxy: args["sig-proxy"] && !spec.Tty,
    };
    if (row.status === "running") return attachToContainer(context, row, attach);
    return await startContainer(context, row, spec, await sourceOf(app, row, spec), {
      attach,
      printId: false,
      consoleSize: spec.Tty ? consoleSize(io) : undefined,
    });
  },
});

/** In the background, one after the other; a name that is none does not keep the others from it. */
async function startNames(app: App, names: readonly string[]): Promise<number> {
  let failed = 0;
  const status = await forEachTarget(app.io, names, async (name) => {
    const row = await findContainer(app.context, "start", name);
    const started = await start(app, { name, row });
    failed ||= started;
    return started === 0 ? name : undefined;
  });
  return failed === 0 ? status : 1;
}

async function startAll(app: App, targets: readonly Target[]): Promise<number> {
  let failed = 0;
  const status = await forEachTarget(app.io, targets, async (target) => {
    const started = await start(app, target);
    failed ||= started;
    return started === 0 ? target.name : undefined;
  });
  return failed === 0 ? status : 1;
}

/** The exit status; a failure has been reported where it happened. */
async function start(app: App, { row }: Target): Promise<number> {
  if (row.status === "running") {
    checkNotPaused(app.context, "start", row);
    return 0;
  }
  const spec = specOf(app.context, row);
  return startDetached(app.context, row, spec, await sourceOf(app, row, spec));
}
