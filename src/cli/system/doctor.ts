import { diagnose, type Finding } from "../../container";
import { createContext } from "../../state";
import type { App } from "../app";
import { type Palette, palette, usesColour } from "../output/colour";
import { formatDocuments } from "../output/format";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Check whether this machine has what containers need",
    details:
      "Each line is a check: ok, warn or fail, and what was found. Behind a warning or a failure stand what it costs, and the one command that mends it. Nothing is changed.",
    exitStatuses: [
      { status: "0", meaning: "all is well, or there are only warnings" },
      { status: "1", meaning: "something has failed" },
    ],
    examples: [
      { command: "proa doctor", does: "every check" },
      { command: "proa doctor --quiet", does: "only what is not ok" },
      {
        command: "proa doctor --format '{{.Check}}: {{.Status}}'",
        does: "a line of one's own for each check",
      },
    ],
    seeAlso: ["proa-info(1)", "proa-why(1)", "proa-system-check(1)"],
  },
  args: {
    format: {
      type: "string",
      alias: "f",
      valueHint: "FORMAT",
      value: "format",
      description: "json, or a Go template for each check",
      details: "Fields: Check, Status (ok, warn, fail), Found, Cost, Mend.",
    },
    quiet: { type: "boolean", alias: "q", description: "Only what is not ok" },
  },
  fields: async () => (await import("../document-fields")).fieldsOf("check"),
  async run({ app, args }) {
    const all = await diagnose(quietContext(app));
    const shown = args.quiet ? all.filter(({ status }) => status !== "ok") : all;
    app.io.stdout.write(
      args.format === undefined
        ? textOf(app, all, shown)
        : await formatDocuments(shown.map(documentOf), args.format),
    );
    return all.some(({ status }) => status === "fail") ? 1 : 0;
  },
});

/** Warnings are findings here: they are not told twice. */
function quietContext({ io, globals }: App) {
  const { config, storageDriver, cgroupManager } = globals;
  return createContext({ env: io.env, config, storageDriver, cgroupManager, warn: () => undefined });
}

function documentOf({ check, status, found, cost, mend }: Finding) {
  return { Check: check, Status: status, Found: found, Cost: cost, Mend: mend };
}

const NAME_WIDTH = 19;

function textOf({ io }: App, all: readonly Finding[], shown: readonly Finding[]): string {
  const paint = palette(usesColour(io.stdout, io.env));
  const lines = shown.flatMap(({ check, status, found, cost, mend }) => [
    `${statusText(paint, status)}  ${check.padEnd(NAME_WIDTH)}${found}`,
    ...(cost === "" ? [] : [`      ${paint.faint("costs".padEnd(NAME_WIDTH))}${cost}`]),
    ...(mend === "" ? [] : [`      ${paint.faint("mend".padEnd(NAME_WIDTH))}${paint.bold(mend)}`]),
  ]);
  const count = (wanted: Finding["status"]) => all.filter(({ status }) => status === wanted).length;
  const [warnings, failures] = [count("warn"), count("fail")];
  if (shown.length === all.length) lines.push("", summary(count("ok"), warnings, failures));
  return lines.map((line) => `${line}\n`).join("");
}

function statusText(paint: Palette, status: Finding["status"]): string {
  const text = status.padEnd(4);
  return status === "fail" ? paint.red(text) : status === "ok" ? paint.green(text) : paint.bold(text);
}

function summary(fine: number, warnings: number, failures: number): string {
  const several = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;
  return `${fine} ok, ${several(warnings, "warning")}, ${several(failures, "failure")}`;
}
