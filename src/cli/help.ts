import { usageError } from "./args";
import {
  choicesOf,
  defaultOf,
  type Loaded,
  loadCommand,
  nameBelow,
  shownFlags,
  shownName,
  summaries,
  unshadowed,
  usageOf,
  usedNouns,
  valueUsage,
} from "./catalogue";
import { allCommands } from "./commands";
import { findCommand, program } from "./find";
import { rootGlobals } from "./globals";
import { grouped } from "./help-groups";
import type { Env, OutStream } from "./io";
import { palette, usesColour } from "./output/colour";
import { displayWidth } from "./output/table";
import { subjects } from "./pages";
import { didYouMean } from "./suggest";
import type { Args, FlagArg, Noun } from "./tree";

/** The commands shown first by `proa --help`, in this order. */
const commonCommands = [
  "run",
  "exec",
  "ps",
  "build",
  "pull",
  "push",
  "images",
  "logs",
  "login",
  "version",
  "info",
];

const firstLine = "A rootless, daemonless container engine in one executable";

export type HelpOptions = {
  /** Width of the terminal; undefined: a pipe. */
  columns?: number | undefined;
  /** Where it is printed: headings are bold there, if it takes colours. */
  on?: OutStream;
  env?: Env;
  /** The command as it was typed, where that is not its name: "proa container run". */
  typed?: string | undefined;
};

const NARROWEST = 20;
const WIDEST = 120; // longer lines are hard to read
const NARROW = 50; // below it short names have no column of their own

/**
 * The help text of a command, of a noun, or of proa itself, wrapped to the width of the terminal (80 in a pipe).
 *
 * @throws usage when there is no such topic
 */
export async function helpFor(topic: readonly string[], options: HelpOptions = {}): Promise<string> {
  const width = Math.min(Math.max(options.columns ?? 80, NARROWEST), WIDEST);
  const text = await plainHelp(topic, width, options.typed);
  const isColoured = options.on !== undefined && usesColour(options.on, options.env ?? {});
  if (!isColoured) return text;
  const { bold } = palette(true);
  return text.replace(/^(\S[^\n]*:)(?=\n {2})|^Usage:/gm, (heading) => bold(heading));
}

async function plainHelp(topic: readonly string[], width: number, typed?: string): Promise<string> {
  if (topic.length === 0) return rootHelp(width);
  const found = findCommand(topic);
  if (found !== undefined) return commandHelp(await loadCommand(found.entry), width, typed);
  const noun = usedNouns().find(({ name }) => name === topic[0]);
  if (noun !== undefined && topic.length === 1) return nounHelp(noun, width);
  const group = await groupHelp(topic, width);
  if (group !== undefined) return group;
  throw noSuchTopic(topic);
}

/** What begins with several words that are no command: `image trust`. Undefined where nothing does. */
async function groupHelp(topic: readonly string[], width: number): Promise<string | undefined> {
  const name = topic.join(" ");
  const rows = (await summaries()).flatMap(({ entry, description }): Row[] =>
    entry.path.startsWith(`${name} `) ? [[entry.path.slice(name.length + 1), description]] : [],
  );
  if (topic.length < 2 || rows.length === 0) return undefined;
  return joinSections([
    wrap(`Usage:  ${program} ${name} COMMAND`, width, " ".repeat(8)),
    section(
      "Commands",
      rows.sort(([a], [b]) => (a < b ? -1 : 1)),
      width,
    ),
    wrap(`Run '${program} ${name} COMMAND --help' for more information on a command.`, width, ""),
  ]);
}

/** With the nearest commands and subjects. */
export function noSuchTopic(topic: readonly string[]): Error {
  const names = [
    ...allCommands()
      .flatMap(({ path, aliases }) => [path, ...aliases])
      .filter((name) => !name.startsWith("_")),
    ...usedNouns().map(({ name }) => name),
    ...subjects.flatMap((subject) => subject.names),
  ];
  const asked = topic.join(" ");
  return usageError(`no help topic: ${asked}`, didYouMean(asked, new Set(names)));
}

type Row = readonly [left: string, right: string];

async function rootHelp(width: number): Promise<string> {
  const all = (await summaries())
    .map(({ entry, description }) => ({ name: shownName(entry), description }))
    .filter(({ name }) => !name.includes(" "));
  const row = ({ name, description }: (typeof all)[number]): Row => [name, description];
  const common = commonCommands.flatMap((name) => all.filter((each) => each.name === name));
  const others = all.filter((each) => !common.includes(each)).sort((a, b) => (a.name < b.name ? -1 : 1));
  return joinSections([
    wrap(`Usage:  ${program} [OPTIONS] COMMAND`, width, " ".repeat(8)),
    wrap(firstLine, width, ""),
    section("Common commands", common.map(row), width),
    section(
      "Management commands",
      usedNouns().map(({ name, description }): Row => [name, description]),
      width,
    ),
    section("Commands", others.map(row), width),
    section(
      "Global options",
      [...flagRows(rootGlobals, width), ["-v, --version", "Print the version and exit"]],
      width,
    ),
    section(
      "Subjects",
      subjects.map(({ names: [name = ""], summary }): Row => [name, upperFirst(summary)]),
      width,
    ),
    wrap(
      `Run '${program} COMMAND --help' for more information on a command, '${program} help COMMAND' (or a subject) for the page of the manual.`,
      width,
      "",
    ),
  ]);
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

async function nounHelp(noun: Noun, width: number): Promise<string> {
  const rows: Row[] = [];
  for (const { entry, description } of await summaries()) {
    const name = nameBelow(noun.name, entry);
    if (name !== undefined) rows.push([name, description]);
  }
  return joinSections([
    wrap(`Usage:  ${program} ${noun.name} COMMAND`, width, " ".repeat(8)),
    wrap(noun.description, width, ""),
    section(
      "Commands",
      rows.sort(([a], [b]) => (a < b ? -1 : 1)),
      width,
    ),
    wrap(`Run '${program} ${noun.name} COMMAND --help' for more information on a command.`, width, ""),
  ]);
}

function commandHelp({ entry, definition, name }: Loaded, width: number, typed?: string): string {
  const { meta, args } = definition;
  const names = [entry.path, ...entry.aliases].map((each) => `${program} ${each}`);
  const usage = `Usage:  ${typed ?? `${program} ${name}`} ${usageOf(definition)}`.trimEnd();
  return joinSections([
    wrap(usage, width, " ".repeat(8)),
    wrap(meta.description, width, ""),
    names.length > 1 ? `Aliases:\n${wrap(names.join(", "), width, "  ", "  ")}` : "",
    ...grouped(shownFlags(args)).map(([heading, flags]) =>
      section(heading, flagRows(Object.fromEntries(flags), width), width),
    ),
    section("Global options", flagRows(unshadowed(args), width), width),
    examples(meta.examples ?? [], width),
    section(
      "Exit status",
      (meta.exitStatuses ?? []).map(({ status, meaning }): Row => [status, meaning]),
      width,
    ),
  ]);
}

function flagRows(args: Args, width: number): Row[] {
  return shownFlags(args).map(([name, arg]): Row => {
    const short = arg.alias === undefined ? (width < NARROW ? "" : "    ") : `-${arg.alias}, `;
    return [`${short}--${name}${valueUsage(arg)}`, describe(arg)];
  });
}

function describe(arg: FlagArg): string {
  const choices = choicesOf(arg);
  const fallback = defaultOf(arg);
  if (choices.length === 1 && choices[0] === fallback) return `${arg.description} (only: ${fallback})`;
  const notes = [
    ...(choices.length > 0 ? [choices.join(", ")] : []),
    ...(fallback === undefined ? [] : [`default: ${fallback}`]),
  ];
  return notes.length === 0 ? arg.description : `${arg.description} (${notes.join("; ")})`;
}

function examples(all: readonly { command: string; does: string }[], width: number): string {
  if (all.length === 0) return "";
  const deep = width < NARROW ? "    " : "      ";
  const parts = all.map(({ command, does }) => wrapCommand(command, width) + wrap(does, width, deep, deep));
  return `Examples:\n${parts.join("")}`;
}

/** A command that is broken goes on in the next line as a shell reads it. */
function wrapCommand(command: string, width: number): string {
  const lines: string[] = [];
  let line = " ";
  for (const word of command.split(/ (?=(?:[^']*'[^']*')*[^']*$)/)) {
    if (line.trim() !== "" && displayWidth(line) + 1 + displayWidth(word) > width - 2) {
      lines.push(`${line} \\`);
      line = "   ";
    }
    line += ` ${word}`;
  }
  lines.push(line);
  return lines
    .flatMap((each) => cutWord(each, width, width))
    .map((each) => `${each}\n`)
    .join("");
}

/** A heading and two columns; a left side that is too long gets a line of its own. */
function section(heading: string, rows: readonly Row[], width: number): string {
  if (rows.length === 0) return "";
  const widest = Math.max(...rows.map(([left]) => displayWidth(left)));
  const column = Math.min(widest, Math.max(8, Math.floor(width * 0.42))) + 4; // two in front, two between
  const body = rows.map(([left, right]) => {
    const head = `  ${left}`;
    if (width < NARROW) return wrap(head.trim(), width, "    ", "  ") + wrap(right, width, "    ", "    ");
    const indent = " ".repeat(column);
    const fits = displayWidth(head) + 2 <= column;
    return fits
      ? wrap(right, width, indent, head.padEnd(column))
      : `${head}\n${wrap(right, width, indent, indent)}`;
  });
  return `${heading}:\n${body.join("")}`;
}

/** Break a text into lines of at most `width`; `indent` stands before all of them but the first, which has `first`. */
function wrap(text: string, width: number, indent: string, first = ""): string {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of text.split(" ")) {
    if (!empty && displayWidth(line) + 1 + displayWidth(word) > width) {
      lines.push(line);
      line = indent;
      empty = true;
    }
    // A word that is longer than a line is cut.
    const parts = cutWord(word, width - displayWidth(line) - (empty ? 0 : 1), width - indent.length);
    for (const [at, part] of parts.entries()) {
      if (at > 0) {
        lines.push(line);
        line = indent;
        empty = true;
      }
      line += empty ? part : ` ${part}`;
      empty = false;
    }
  }
  lines.push(line);
  return lines.map((each) => `${each.trimEnd()}\n`).join("");
}

/** A word in parts, the first no wider than there is room, the others no wider than a line. */
function cutWord(word: string, room: number, width: number): string[] {
  if (displayWidth(word) <= room) return [word]; // a segmenter costs more than all the rest
  const parts: string[] = [];
  let part = "";
  for (const { segment } of new Intl.Segmenter().segment(word)) {
    if (part !== "" && displayWidth(part + segment) > (parts.length === 0 ? room : width)) {
      parts.push(part);
      part = "";
    }
    part += segment;
  }
  return [...parts, part];
}

function joinSections(sections: readonly string[]): string {
  return sections.filter((text) => text !== "").join("\n");
}
