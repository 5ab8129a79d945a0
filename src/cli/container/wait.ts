import {
  CONDITIONS,
  findContainer,
  NO_EXIT_STATUS,
  parseCondition,
  waitForCondition,
  waitForContainer,
} from "../../container";
import { EngineError, isNotFound } from "../../error";
import type { ContainerRow } from "../../state";
import type { App } from "../app";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { latestArg, newest, optionalNames, targetNames } from "./_targets";

const INTERVAL_MS = 250; // as podman's

export const command = defineCommand({
  meta: {
    description: "Wait until containers have ended and print their exit statuses",
    details:
      "One that is started again by its restart policy has ended each time. Conditions that are no end print -1.",
    examples: [
      { command: "proa wait job", does: "print the exit status of job once it has ended" },
      { command: "proa wait --condition healthy db", does: "go on when the database's health check says so" },
      { command: "proa wait --exit-first-match one two", does: "go on when one of them has ended" },
    ],
    seeAlso: ["proa-ps(1)"],
  },
  args: {
    condition: {
      type: "string",
      multiple: true,
      valueHint: "CONDITION",
      value: { suggest: CONDITIONS },
      description: "What to wait for in place of the end; of several the first",
      details: `One of ${CONDITIONS.join(", ")}.`,
    },
    interval: {
      type: "string",
      alias: "i",
      valueHint: "DURATION",
      value: "none",
      description: "Time between two looks, for what nobody tells (250ms)",
    },
    ignore: { type: "boolean", description: "Print -1 for a container that is not there" },
    "exit-first-match": {
      type: "boolean",
      hiddenNames: ["return-on-first"],
      description: "Return when the first of the containers is there",
    },
    latest: latestArg,
    container: { ...optionalNames, value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    const names = targetNames("wait", args.container, { latest: args.latest });
    const conditions = args.condition.flatMap((text) => text.split(",")).map(parseCondition);
    const options = { conditions, intervalMs: intervalFrom(args.interval) };
    const wait = (row: ContainerRow): Promise<number> =>
      conditions.length === 0
        ? waitForContainer(app.context, row)
        : waitForCondition(app.context, row, options);
    // all at once: what ends while another is waited for has been heard of
    const waits = args.latest
      ? [newest(app, "wait").then(wait)]
      : names.map((name) => waitFor(app, name, args.ignore, wait));
    for (const each of waits) each.catch(() => undefined); // reported where it is printed
    if (!args["exit-first-match"]) return forEachTarget(app.io, waits, async (each) => String(await each));
    app.io.stdout.write(`${await firstOf(waits)}\n`);
    return 0;
  },
});

async function firstOf(waits: Promise<number>[]): Promise<number> {
  try {
    return await Promise.any(waits);
  } catch (error) {
    throw (error as AggregateError).errors[0];
  }
}

async function waitFor(
  app: App,
  name: string,
  ignore: boolean,
  wait: (row: ContainerRow) => Promise<number>,
): Promise<number> {
  try {
    return await wait(await findContainer(app.context, "wait", name));
  } catch (error) {
    if (ignore && isNotFound(error)) return NO_EXIT_STATUS;
    throw error;
  }
}

/** `500ms`, `2s`, or a bare number of milliseconds. */
function intervalFrom(text: string | undefined): number {
  if (text === undefined) return INTERVAL_MS;
  const [, number = "", unit = "ms"] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  if (number === "") {
    throw new EngineError("invalid", "interval", text, "expected a duration such as 250ms or 2s");
  }
  return Number(number) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit as "ms" | "s" | "m" | "h"];
}
