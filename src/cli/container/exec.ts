import { execInContainer, findContainer } from "../../container";
import { defineCommand } from "../tree";
import { attachArgs, consoleSize, parseDetachKeys, requireTerminal } from "./_attach-options";
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
      description: "User, and group, by name or number",
    },
    workdir: {
      type: "string",
      alias: "w",
      valueHint: "DIR",
      description: "Working directory inside the container",
    },
    env: {
      type: "string",
      alias: "e",
      multiple: true,
      valueHint: "NAME[=VALUE]",
      description: "Set an environment variable",
    },
    "env-file": {
      type: "string",
      multiple: true,
      valueHint: "FILE",
      value: "file",
      description: "Read environment variables from a file",
    },
    "detach-keys": attachArgs["detach-keys"],
    container: { type: "positional", value: "running-container", description: "Name or id" },
    command: {
      type: "positional",
      rest: true,
      value: "command",
      valueHint: "COMMAND [ARG...]",
      description: "Command, and its arguments",
    },
  },
  interspersed: false,
  async run({ app, args }) {
    const stdin = args.interactive && !args.detach;
    requireTerminal(app.io, args.tty, stdin);
    const row = await findContainer(app.context, "exec", args.container);
    execInContainer(app.context, row, {
      args: args.command,
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
    });
  },
});
