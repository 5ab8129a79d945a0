import { diagnose, type Finding } from "../../container";
import { createContext } from "../../state";
import type { App } from "../app";
import { type Palette, palette, usesColour } from "../output/colour";
import { type Field, formatDocuments, formatRows } from "../output/format";
import { displayWidth } from "../output/table";
import { hangingLines, wrapWords } from "../output/wrap";
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
      description: "json, a Go template for each check, or table with one",
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
        : /^\s*table(\s|\\t|$)/.test(args.format)
          ? await formatRows(shown, {
              fields,
              columns: ["Check", "Status", "Found"],
              quietField: "Check",
              on: app.io.stdout,
              format: args.format,
            })
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

const fields: Record<string, Field<Finding>> = {
  Check: { header: "CHECK", isWhole: true, value: ({ check }) => check },
  Status: { header: "STATUS", isWhole: true, value: ({ status }) => status },
  Found: { header: "FOUND", value: ({ found }) => found },
  Cost: { header: "COST", value: ({ cost }) => cost },
  Mend: { header: "MEND", value: ({ mend }) => mend },
};

function documentOf({ check, status, found, cost, mend }: Finding) {
  return { Check: check, Status: status, Found: found, Cost: cost, Mend: mend };
}

const INDENT = 25; // behind status and name of a check

function textOf({ io }: App, all: readonly Finding[], shown: readonly Finding[]): string {
  const paint = palette(usesColour(io.stdout, io.env));
  const { columns } = io.stdout; // none: not a terminal
  const lines = shown.flatMap(({ check, status, found, cost, mend }) => [
    ...hangingLines(`${statusText(paint, status)}  ${check}`, found, INDENT, columns),
    ...(cost === "" ? [] : hangingLines(`      ${paint.faint("costs")}`, cost, INDENT, columns)),
    ...(mend === "" ? [] : [mendLine(paint, mend, columns)]),
  ]);
  const count = (wanted: Finding["status"]) => all.filter(({ status }) => status === wanted).length;
  const [warnings, failures] = [count("warn"), count("fail")];
  if (shown.length === all.length) {
    const text = summary(count("ok"), warnings, failures);
    lines.push("", ...(columns === undefined ? [text] : wrapWords(text, columns)));
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** A command is left whole: it is copied from here. */
function mendLine(paint: Palette, mend: string, columns = Infinity): string {
  const fits = INDENT + displayWidth(mend) <= columns;
  return `      ${paint.faint("mend")}${" ".repeat(fits ? INDENT - 10 : 1)}${paint.bold(mend)}`;
}

function statusText(paint: Palette, status: Finding["status"]): string {
  const text = status.padEnd(4);
  return status === "fail" ? paint.red(text) : status === "ok" ? paint.green(text) : paint.bold(text);
}

function summary(fine: number, warnings: number, failures: number): string {
  const several = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;
  return `${fine} ok, ${several(warnings, "warning")}, ${several(failures, "failure")}`;
}
