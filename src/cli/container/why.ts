import { type Explanation, explainContainer, findContainer } from "../../container";
import { usageError } from "../args";
import { palette, usesColour } from "../output/colour";
import { formatDocuments } from "../output/format";
import { displayWidth } from "../output/table";
import { wrapWords } from "../output/wrap";
import { suggest } from "../suggest";
import { defineCommand } from "../tree";
import { latestArg, newest, targetNames } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Explain why a container has stopped, or does not start",
    details:
      "Each claim is followed by what it was concluded from, and where that was read: the record of the container's end, the journal of events, its settings, the files of its image. A program that could not be executed is looked up as the kernel does it: its path, its rights, its interpreter, its processor, its libraries. Nothing of the container is executed.",
    examples: [
      { command: "proa why web", does: "why it does not run, or that it does" },
      { command: "proa why -l --format json", does: "the newest one, for a program" },
    ],
    seeAlso: ["proa-inspect(1)", "proa-logs(1)", "proa-events(1)", "proa-doctor(1)"],
  },
  args: {
    format: {
      type: "string",
      alias: "f",
      valueHint: "FORMAT",
      value: "format",
      description: "json, or a Go template",
      details: "Fields: Id, Name, Status, Summary, Claims (Claim, Evidence (Found, Source), Mend), Log.",
    },
    latest: latestArg,
    container: { type: "positional", required: false, value: "container", description: "Name or id" },
  },
  fields: async () => (await import("../document-fields")).fieldsOf("why"),
  async run({ app, args }) {
    const { context, io } = app;
    if (/^\s*table(\s|\\t|$)/.test(args.format ?? ""))
      throw usageError("--format table: what is told of one container is no list", "proa why");
    if (args.format !== undefined) await formatDocuments([], args.format);
    const [name = ""] = targetNames("why", args.container === undefined ? [] : [args.container], args);
    const row = args.latest ? await newest(app, "why") : await findContainer(context, "why", name);
    const found = await explainContainer(context, row, { nearest: suggest });
    io.stdout.write(
      args.format === undefined
        ? textOf(found, usesColour(io.stdout, io.env), io.stdout.columns)
        : await formatDocuments([documentOf(found)], args.format),
    );
  },
});

function documentOf({ id, name, status, summary, claims, log }: Explanation) {
  return {
    Id: id,
    Name: name,
    Status: status,
    Summary: summary,
    Claims: claims.map(({ claim, evidence, mend }) => ({
      Claim: claim,
      Evidence: evidence.map(({ found, source }) => ({ Found: found, Source: source })),
      Mend: mend,
    })),
    Log: log,
  };
}

const INDENT = 8; // behind "seen"
const LEAST_WIDTH = 12;

/** COLUMNS: of the terminal; undefined where there is none. */
function textOf({ summary, claims, log }: Explanation, isColoured: boolean, columns?: number): string {
  const paint = palette(isColoured);
  const wrapped = (text: string, indent: number): string[] =>
    columns === undefined ? [text] : wrapWords(text, Math.max(LEAST_WIDTH, columns - indent));
  const lines = wrapped(printable(summary), 0).map((line) => paint.bold(line));
  for (const { claim, evidence, mend } of claims) {
    lines.push("", ...wrapped(printable(claim), 0));
    for (const { found, source } of evidence) {
      const all = wrapped(printable(found), INDENT);
      const last = all.pop() ?? "";
      const place = `(${printable(source)})`;
      const fits = columns === undefined || INDENT + displayWidth(`${last}  ${place}`) <= columns;
      const ends = fits ? [`${last}  ${paint.faint(place)}`] : [last, paint.faint(place)];
      for (const [at, line] of [...all, ...ends].entries())
        lines.push(`${at === 0 ? "  seen  " : " ".repeat(INDENT)}${line}`);
    }
    // a command is left whole: it is copied from here
    if (mend !== "") lines.push(`  mend  ${printable(mend)}`);
  }
  if (log.length > 0)
    lines.push("", "the last lines of its log:", ...log.map((line) => `  ${printable(line)}`));
  return lines.map((line) => `${line}\n`).join("");
}

// Controls, and the marks that turn the direction of writing: what a container says is not for the terminal to obey.
const unprintable = /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

function printable(text: string): string {
  return text.replace(unprintable, (each) => (each === "\n" || each === "\t" ? " " : escaped(each)));
}

function escaped(each: string): string {
  return `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
