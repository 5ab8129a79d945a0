import { EngineError } from "../../error";
import { becomeHelper, UNSHARED } from "../../helper";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Run a command in the user namespace of containers",
    details: `In it the user is root, and the files of containers have the owners that containers see: they can be listed, changed and removed. Mounts that are made in it end with the command, and
proa itself works in it on the user's own containers and images. Without a command a shell is run.`,
    examples: [
      {
        command: "proa unshare chown -R 1000:1000 data",
        does: "give a directory to the user 1000 of containers",
      },
      { command: "proa unshare", does: "a shell, in which proa mount works" },
    ],
    exitStatuses: [
      { status: "126", meaning: "the command cannot be executed" },
      { status: "127", meaning: "the command was not found" },
      { status: "N", meaning: "otherwise the command's own" },
    ],
    seeAlso: ["proa-mount(1)", "proa-cp(1)"],
    usage: "[OPTIONS] [COMMAND] [ARG...]",
  },
  interspersed: false,
  args: {
    "rootless-netns": { type: "boolean", hidden: true, description: "Join the network namespace as well" },
    command: {
      type: "positional",
      rest: true,
      required: false,
      valueHint: "COMMAND [ARG...]",
      value: "host-command",
      description: "What to run; the user's shell when absent",
    },
  },
  run({ app, args }) {
    if (args["rootless-netns"]) {
      throw new EngineError(
        "unsupported",
        "unshare",
        "--rootless-netns",
        "the network of containers lives with netd, not in a file",
        {
          hint: "look into a container's network: proa exec CONTAINER ip addr",
        },
      );
    }
    if (process.geteuid?.() === 0) {
      throw new EngineError(
        "unsupported",
        "unshare",
        "",
        "you are root already: there is nothing that you could not do without it",
      );
    }
    const { paths } = app.context;
    const { mappings } = app.context.host();
    // In it the user is called root, whose directories are elsewhere; these are where the user has them already.
    const own = {
      XDG_DATA_HOME: paths.data,
      XDG_CACHE_HOME: paths.cache,
      XDG_CONFIG_HOME: paths.config,
      XDG_RUNTIME_DIR: paths.runtime,
    };
    for (const [name, path] of Object.entries(own)) process.env[name] ||= path.replace(/\/proa$/, "");
    process.env[UNSHARED] = `${process.geteuid?.()}:${process.getegid?.()}`;
    const words = args.command.length > 0 ? args.command : [app.env["SHELL"] || "/bin/sh"];
    becomeHelper(paths.cache, "unshare", { proa: process.execPath, mappings, args: words });
  },
});
