import { attachToContainer, findContainer } from "../../container";
import { defineCommand } from "../tree";
import { attachArgs, parseDetachKeys } from "./_attach-options";
import { latestArg, newest, targetNames } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Attach to the streams of a running container",
    examples: [
      { command: "proa attach job", does: "see its output from now on; ctrl-p ctrl-q leaves it running" },
    ],
    exitStatuses: [
      { status: "N", meaning: "the exit status of the container, when it ended while attached" },
    ],
    seeAlso: ["proa-logs(1)", "proa-exec(1)"],
  },
  args: {
    "no-stdin": { type: "boolean", description: "Do not attach to its stdin" },
    ...attachArgs,
    latest: latestArg,
    container: { type: "positional", required: false, value: "running-container", description: "Name or id" },
  },
  async run({ app, args }) {
    const given = targetNames("attach", args.container === undefined ? [] : [args.container], args);
    const row = args.latest
      ? await newest(app, "attach")
      : await findContainer(app.context, "attach", given[0] ?? "");
    attachToContainer(app.context, row, {
      stdin: !args["no-stdin"],
      stdout: true,
      stderr: true,
      detachKeys: parseDetachKeys(args["detach-keys"]),
      sigProxy: args["sig-proxy"],
    });
  },
});
