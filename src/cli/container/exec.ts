import { execInContainer, findContainer, hastenJoin } from "../../container";
import { EngineError } from "../../error";
import type { ContainerRow } from "../../state";
import type { App } from "../app";
import { usageError } from "../args";
import { defineCommand } from "../tree";
import {
  attachArgs,
  consoleSize,
  descriptorArgs,
  descriptorsFrom,
  parseDetachKeys,
  requireTerminal,
} from "./_attach-options";
import { absoluteDirectory, environmentFrom } from "./_process-options";

export const command = defineCommand({
  meta: {
    description: "Run a command in a running container",
    usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
    examples: [
      { command: "proa exec -it web sh", does: "a shell beside the server" },
      { command: "proa exec -u nobody web id", does: "as another user" },
    ],
    exitStatuses: [
      { status: "126", meaning: "the command cannot be executed" },
      { status: "127", meaning: "the command was not found in the container" },
      { status: "128+N", meaning: "the command was ended by signal N" },
    ],
    seeAlso: ["proa-run(1)", "proa-attach(1)"],
  },
  args: {
    detach: { type: "boolean", alias: "d", description: "Do not wait for the command" },
    interactive: { type: "boolean", alias: "i", description: "Keep stdin open" },
    tty: { type: "boolean", alias: "t", description: "Give the command a terminal" },
    user: {
      type: "string",
      alias: "u",
      valueHint: "USER[:GROUP]",
      value: "user",
      description: "User, and group, by name or number",
    },
    workdir: {
      type: "string",
      alias: "w",
      valueHint: "DIR",
      value: "directory-inside",
      description: "Working directory inside the container",
    },
    env: {
      type: "string",
      alias: "e",
      multiple: true,
      valueHint: "NAME[=VALUE]",
      value: "environment",
      description: "Set an environment variable",
    },
    "env-file": {
      type: "string",
      multiple: true,
      valueHint: "FILE",
      value: "file",
      description: "Read environment variables from a file",
    },
    privileged: {
      type: "boolean",
      description: "Give the command all capabilities that a user namespace can give",
    },
    "detach-keys": attachArgs["detach-keys"],
    ...descriptorArgs,
    latest: { type: "boolean", alias: "l", description: "In the newest container: no name is given" },
    cidfile: {
      type: "string",
      valueHint: "FILE",
      value: "file",
      description: "Take the container's id from a file that --cidfile of run has written: no name is given",
    },
    "no-session": { type: "boolean", description: "Keep no record of it, which inspect would show" },
    container: {
      type: "positional",
      required: false,
      value: "running-container",
      description: "Name or id",
    },
    command: {
      type: "positional",
      rest: true,
      required: false,
      value: "command",
      valueHint: "COMMAND [ARG...]",
      description: "Command, and its arguments",
    },
  },
  interspersed: false,
  async run({ app, args }) {
    const stdin = args.interactive && !args.detach;
    const { row, command } = await target(app, args);
    requireTerminal(app.io, args.tty, stdin);
    execInContainer(app.context, row, {
      args: command,
      terminal: args.tty,
      stdin,
      detach: args.detach,
      attach: args.detach
        ? null
        : {
            stdin,
            stdout: true,
            stderr: true,
            detachKeys: parseDetachKeys(args["detach-keys"]),
            sigProxy: !args.tty,
          },
      user: args.user ?? "",
      cwd: absoluteDirectory(args.workdir),
      env: environmentFrom(args["env-file"], args.env, app.env),
      consoleSize: args.tty ? consoleSize(app.io) : undefined,
      privileged: args.privileged,
      session: !args["no-session"],
      preserveFds: descriptorsFrom(args),
      detachKeys: args["detach-keys"],
    });
  },
});

type Chosen = {
  latest: boolean;
  cidfile: string | undefined;
  container: string | undefined;
  command: string[];
};

/** Where, and what. With podman's ways of choosing the container the first word is the command's. */
async function target(app: App, args: Chosen): Promise<{ row: ContainerRow; command: string[] }> {
  const { latest, cidfile, container } = args;
  const isChosen = latest || cidfile !== undefined;
  if (!isChosen && container === undefined) throw missing("CONTAINER", 2);
  const command = isChosen && container !== undefined ? [container, ...args.command] : args.command;
  if (command.length === 0) throw missing("COMMAND", isChosen ? 1 : 2);
  hastenJoin(app.context);
  if (!isChosen && container !== undefined)
    return { row: await findContainer(app.context, "exec", container), command };
  const { chooseContainers } = await import("./_targets");
  const choice = { names: [], latest, cidfile: cidfile === undefined ? [] : [cidfile] };
  const { targets } = await chooseContainers(app, "exec", choice);
  const [chosen] = targets;
  if (!chosen)
    throw new EngineError("not-found", "exec", cidfile ?? "", "no such container", { exitCode: 1 });
  return { row: chosen.row, command };
}

function missing(what: string, atLeast: number): EngineError {
  const arguments_ = atLeast === 1 ? "1 argument" : `${atLeast} arguments`;
  return usageError(`"proa exec" requires at least ${arguments_}: no ${what} given`);
}
