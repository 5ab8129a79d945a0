/** How containers are asked to end, for the commands that do. */
import { type StopOptions, signalNumber } from "../../container";
import type { Args, Values } from "../tree";

export const stopArgs = {
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
} as const satisfies Args;

/** @throws `invalid` for what is no signal */
export function stopOptionsFrom(args: Values<typeof stopArgs>): StopOptions {
  return {
    signal: args.signal === undefined ? undefined : signalNumber(args.signal),
    timeoutSeconds: args.timeout,
  };
}
