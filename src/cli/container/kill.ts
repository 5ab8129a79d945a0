import { findContainer, killContainer, signalNumber } from "../../container";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Send a signal to running containers",
    examples: [{ command: "proa kill -s HUP web", does: "ask a server to read its configuration again" }],
    seeAlso: ["proa-stop(1)"],
  },
  args: {
    signal: {
      type: "string",
      alias: "s",
      valueHint: "SIGNAL",
      value: "signal",
      default: "KILL",
      description: "Signal to send",
    },
    container: { type: "positional", rest: true, value: "running-container", description: "Name or id" },
  },
  run({ app, args }) {
    const signal = signalNumber(args.signal);
    return forEachTarget(app.io, args.container, async (name) => {
      killContainer(app.context, await findContainer(app.context, "kill", name), signal);
      return name;
    });
  },
});
