import { killContainer, signalNumber, waitForKilled } from "../../container";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { chooseContainers, optionalNames, targetArgs } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Send a signal to running containers",
    details:
      "One that gets KILL, TERM, INT, QUIT or its stop signal is not started again by its restart policy.",
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
    all: targetArgs.all,
    latest: targetArgs.latest,
    cidfile: targetArgs.cidfile,
    container: { ...optionalNames, value: "running-container", description: "Name or id" },
  },
  async run({ app, args }) {
    const signal = signalNumber(args.signal);
    const choice = { ...args, names: args.container };
    const { targets, status } = await chooseContainers(
      app,
      "kill",
      choice,
      (row) => row.status === "running",
    );
    // all at once, then one after the other: each is gone when its name is printed
    const signalled = targets.map((target) => ({
      ...target,
      sent: killContainer(app.context, target.row, signal),
    }));
    for (const { sent } of signalled) sent.catch(() => undefined); // reported where it is waited for
    const killed = await forEachTarget(app.io, signalled, async ({ name, row, sent }) => {
      waitForKilled(app.context, row, signal, await sent);
      return name;
    });
    return status || killed;
  },
});
