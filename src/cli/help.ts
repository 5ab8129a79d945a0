import { usageError } from "./args";
import {
  choicesOf,
  defaultOf,
  type Loaded,
  loadCommand,
  loadCommands,
  nameBelow,
  shownFlags,
  usageOf,
  usedNouns,
  valueUsage,
} from "./catalogue";
import { findCommand, program } from "./find";
import { globalArgs } from "./globals";
import { displayWidth } from "./output/table";
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
  /** The command as it was typed, where that is not its name: "proa container run". */
  typed?: string | undefined;
};

/**
 * The help text of a command, of a noun, or of proa itself, wrapped to the width of the terminal (80 in a pipe).
 *
 * @throws usage when there is no such topic
 */
export async function helpFor(topic: readonly string[], options: HelpOptions = {}): Promise<string> {
  const width = Math.min(Math.max(options.columns ?? 80, 20), 120);
  if (topic.length === 0) return rootHelp(width);
  const found = findCommand(topic);
  if (found !== undefined) return commandHelp(await loadCommand(found.entry), width, options.typed);
  const noun = usedNouns().find(({ name }) => name === topic[0]);
  if (noun !== undefined && topic.length === 1) return nounHelp(noun, width);
  throw usageError(`no help topic: ${topic.join(" ")}`);
}

type Row = readonly [left: string, right: string];

async function rootHelp(width: number): Promise<string> {
  const all = (await loadCommands()).filter(({ name }) => !name.includes(" "));
  const row = ({ name, definition }: Loaded): Row => [name, definition.meta.description];
  const common = commonCommands.flatMap((name) => all.filter((each) => each.name === name));
  const others = all.filter((each) => !common.includes(each)).sort((a, b) => (a.name < b.name ? -1 : 1));
  return joinSections([
    `Usage:  ${program} [OPTIONS] COMMAND\n`,
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
      [...flagRows(globalArgs), ["-v, --version", "Print the version and exit"]],
      width,
    ),
    wrap(`Run '${program} COMMAND --help' for more information on a command.`, width, ""),
  ]);
}

async function nounHelp(noun: Noun, width: number): Promise<string> {
  const rows: Row[] = [];
  for (const { entry, definition } of await loadCommands()) {
    const name = nameBelow(noun.name, entry);
    if (name !== undefined) rows.push([name, definition.meta.description]);
  }
  return joinSections([
    `Usage:  ${program} ${noun.name} COMMAND\n`,
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
    ...flagSections(args, width),
    section("Global options", flagRows(unshadowed(args)), width),
    examples(meta.examples ?? [], width),
    section(
      "Exit status",
      (meta.exitStatuses ?? []).map(({ status, meaning }): Row => [status, meaning]),
      width,
    ),
  ]);
}

/** The global options that the command has not taken the names of. */
function unshadowed(args: Args): Args {
  return Object.fromEntries(Object.entries(globalArgs).filter(([name]) => !Object.hasOwn(args, name)));
}

function flagSections(args: Args, width: number): string[] {
  const groups = new Map<string, Record<string, FlagArg>>([["Options", {}]]);
  for (const [name, arg] of shownFlags(args)) {
    const heading = arg.group ?? "Options";
    groups.set(heading, { ...groups.get(heading), [name]: arg });
  }
  return [...groups].map(([heading, flags]) => section(heading, flagRows(flags), width));
}

function flagRows(args: Args): Row[] {
  return shownFlags(args).map(([name, arg]): Row => {
    const short = arg.alias === undefined ? "    " : `-${arg.alias}, `;
    return [`${short}--${name}${valueUsage(arg)}`, describe(arg)];
  });
}

function describe(arg: FlagArg): string {
  const choices = choicesOf(arg);
  const fallback = defaultOf(arg);
  const notes = [
    ...(choices.length > 0 ? [choices.join(", ")] : []),
    ...(fallback === undefined ? [] : [`default: ${fallback}`]),
  ];
  return notes.length === 0 ? arg.description : `${arg.description} (${notes.join("; ")})`;
}

function examples(all: readonly { command: string; does: string }[], width: number): string {
  if (all.length === 0) return "";
  const parts = all.map(({ command, does }) => `  ${command}\n${wrap(does, width, "      ", "      ")}`);
  return `Examples:\n${parts.join("")}`;
}

/** A heading and two columns; a left side that is too long gets a line of its own. */
function section(heading: string, rows: readonly Row[], width: number): string {
  if (rows.length === 0) return "";
  const widest = Math.max(...rows.map(([left]) => displayWidth(left)));
  const column = Math.min(widest, Math.max(8, Math.floor(width * 0.42))) + 4; // two in front, two between
  const body = rows.map(([left, right]) => {
    const head = `  ${left}`;
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
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  lines.push(line);
  return lines.map((each) => `${each.trimEnd()}\n`).join("");
}

function joinSections(sections: readonly string[]): string {
  return sections.filter((text) => text !== "").join("\n");
}
