import { version } from "./_version";
import {
  choicesOf,
  defaultOf,
  type Loaded,
  loadCommands,
  nameBelow,
  shownFlags,
  usageOf,
  usedNouns,
  valueUsage,
} from "./catalogue";
import { program } from "./find";
import { globalArgs } from "./globals";
import type { AnyCommand, Args, FlagArg } from "./tree";

/**
 * The man pages, in the man(7) macros of roff: one for proa, one for each noun, and one for each command under the name it
 * is shown by. Its other names are in its synopsis.
 */

const manDate = "2026-11-22"; // of the last change to the layout; the content is dated by the version

/** Section 1 of all pages: file name to content. */
export async function manPages(): Promise<Map<string, string>> {
  const loaded = await loadCommands();
  const pages = new Map<string, string>();
  pages.set(fileOf(""), rootPage(loaded));
  for (const { name, description } of usedNouns())
    pages.set(fileOf(name), nounPage(name, description, loaded));
  for (const command of loaded) pages.set(fileOf(command.name), commandPage(command));
  return pages;
}

/** The page of a command: `proa-run`. */
function pageOf(name: string): string {
  return [program, ...name.split(" ")].filter((word) => word !== "").join("-");
}

function fileOf(name: string): string {
  return `${pageOf(name)}.1`;
}

function commandPage({ entry, definition, name }: Loaded): string {
  const { meta, args } = definition;
  const others = [entry.path, ...entry.aliases].filter((each) => each !== name);
  return page(name, meta.description, [
    heading("SYNOPSIS"),
    synopsis(name, usageOf(definition)),
    ...others.flatMap((other) => [".br", synopsis(other, usageOf(definition))]),
    heading("DESCRIPTION"),
    ...paragraphs(`${meta.description}.${meta.details === undefined ? "" : `\n\n${meta.details}`}`),
    ...argumentLines(definition),
    ...optionLines("OPTIONS", args),
    ...optionLines("GLOBAL OPTIONS", globalArgs),
    ...exampleLines(definition),
    ...exitLines(definition),
    ...seeAlsoLines([`${program}(1)`, ...(meta.seeAlso ?? [])]),
  ]);
}

function nounPage(noun: string, description: string, loaded: readonly Loaded[]): string {
  const below = loaded.flatMap((each) => {
    const name = nameBelow(noun, each.entry);
    return name === undefined ? [] : [{ name: `${noun} ${name}`, each }];
  });
  return page(noun, description, [
    heading("SYNOPSIS"),
    synopsis(noun, "COMMAND [ARG...]"),
    heading("DESCRIPTION"),
    ...paragraphs(`${description}.`),
    heading("COMMANDS"),
    ...below.flatMap(({ name, each }) => tagged(bold(`${program} ${name}`), commandReference(each))),
    ...seeAlsoLines([`${program}(1)`, ...below.map(({ each }) => `${pageOf(each.name)}(1)`)]),
  ]);
}

function rootPage(loaded: readonly Loaded[]): string {
  const sorted = loaded.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return page("", "Run containers without root and without a daemon", [
    heading("SYNOPSIS"),
    synopsis("", "[OPTIONS] COMMAND [ARG...]"),
    heading("DESCRIPTION"),
    ...paragraphs(
      `${program} is a container engine in one executable. It needs no daemon and no privilege; ` +
        "its command line is that of docker(1), its images and containers follow the OCI specifications.",
    ),
    heading("COMMANDS"),
    ...sorted.flatMap((each) => tagged(bold(`${program} ${each.name}`), commandReference(each))),
    ...optionLines("OPTIONS", {
      ...globalArgs,
      version: { type: "boolean", alias: "v", description: "Print the version and exit" },
      help: { type: "boolean", description: "Print help and exit" },
    }),
    ...exitStatusSection([]),
    ...seeAlsoLines(sorted.map(({ name }) => `${pageOf(name)}(1)`)),
  ]);
}

/** One line on a command, with the page to read on where that has another name. */
function commandReference({ definition, name }: Loaded): string[] {
  return [text(`${definition.meta.description}. See ${pageOf(name)}(1).`)];
}

/** A page: its title line, NAME, and what follows. */
function page(name: string, description: string, body: readonly string[]): string {
  const title = pageOf(name).toUpperCase();
  const lines = [
    '.\\" Generated from the command definitions: do not edit.',
    `.TH ${quoted(title)} 1 ${quoted(manDate)} ${quoted(`${program} ${version}`)} ${quoted(`${program} manual`)}`,
    heading("NAME"),
    `${escaped(pageOf(name))} \\- ${escaped(lowerFirst(description))}`,
    ...body,
  ];
  return `${lines.join("\n")}\n`;
}

function heading(title: string): string {
  return `.SH ${title.includes(" ") ? quoted(title) : title}`;
}

function synopsis(name: string, usage: string): string {
  const command = [program, name].filter((word) => word !== "").join(" ");
  return `${bold(command)} ${escaped(usage)}`.trimEnd();
}

function argumentLines({ args }: AnyCommand): string[] {
  const lines: string[] = [];
  for (const [key, arg] of Object.entries(args as Args)) {
    if (arg.type !== "positional") continue;
    lines.push(...tagged(italic(arg.valueHint ?? key.toUpperCase()), [text(`${arg.description}.`)]));
  }
  return lines.length === 0 ? [] : [heading("ARGUMENTS"), ...lines];
}

function optionLines(title: string, args: Args): string[] {
  const flags = shownFlags(args);
  if (flags.length === 0) return [];
  return [heading(title), ...flags.flatMap(([name, arg]) => tagged(flagTag(name, arg), flagText(arg)))];
}

function flagTag(name: string, arg: FlagArg): string {
  const short = arg.alias === undefined ? "" : `${bold(`-${arg.alias}`)}, `;
  const value = valueUsage(arg);
  const shown =
    arg.type === "boolean" ? "" : escaped(value).replace(escaped(arg.valueHint), italic(arg.valueHint));
  return `${short}${bold(`--${name}`)}${shown}`;
}

function flagText(arg: FlagArg): string[] {
  const choices = choicesOf(arg);
  const fallback = defaultOf(arg);
  const sentences = [`${arg.description}.`];
  if (arg.details !== undefined) sentences.push(arg.details);
  if (choices.length > 0) sentences.push(`One of: ${choices.join(", ")}.`);
  if (arg.type === "string" && arg.optional !== undefined && arg.optional !== "") {
    sentences.push(`Without a value: ${arg.optional}.`);
  }
  if (arg.type === "string" && arg.multiple === true) sentences.push("May be given several times.");
  if (fallback !== undefined) sentences.push(`Default: ${fallback}.`);
  return [text(sentences.join(" "))];
}

function exampleLines({ meta }: AnyCommand): string[] {
  const all: readonly { command: string; does: string }[] = meta.examples ?? [];
  if (all.length === 0) return [];
  return [
    heading("EXAMPLES"),
    ...all.flatMap(({ command, does }) => [".TP", `.B ${escaped(command)}`, text(`${upperFirst(does)}.`)]),
  ];
}

function exitLines({ meta }: AnyCommand): string[] {
  return exitStatusSection(meta.exitStatuses ?? []);
}

function exitStatusSection(more: readonly { status: string; meaning: string }[]): string[] {
  const all = [
    { status: "0", meaning: "success" },
    { status: "125", meaning: `${program} itself failed, or the command line is wrong` },
    ...more,
  ];
  const unique = new Map(all.map((each) => [each.status, each.meaning]));
  return [
    heading("EXIT STATUS"),
    ...[...unique].flatMap(([status, meaning]) => tagged(bold(status), [text(`${upperFirst(meaning)}.`)])),
  ];
}

function seeAlsoLines(pages: readonly string[]): string[] {
  const sorted = [...new Set(pages)].toSorted();
  const lines = sorted.map((each, at) => {
    const [, name = each, section = ""] = /^(.*?)(\(\d\w*\))$/.exec(each) ?? [];
    const comma = at < sorted.length - 1 ? "," : "";
    return `.BR ${escaped(name)} ${section}${comma}`;
  });
  return [heading("SEE ALSO"), ...lines];
}

/** A paragraph with a hanging tag. */
function tagged(tag: string, body: readonly string[]): string[] {
  return [".TP", tag, ...body];
}

function paragraphs(all: string): string[] {
  return all.split(/\n\n+/).flatMap((each, at) => (at === 0 ? [text(each)] : [".PP", text(each)]));
}

/** Text as lines of input: each sentence begins a line, none is longer than 80 bytes, none looks like a request. */
function text(raw: string): string {
  const sentences = escaped(raw.replaceAll("\n", " ")).replace(/([a-z0-9)])\. (?=[A-Z])/g, "$1.\n");
  return sentences
    .split("\n")
    .flatMap(folded)
    .map((line) => line.replace(/^[.']/, "\\&$&"))
    .join("\n");
}

/** Break a line between words. */
function folded(line: string): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    if (current !== "" && current.length + 1 + word.length > 78) {
      lines.push(current);
      current = word;
    } else {
      current = current === "" ? word : `${current} ${word}`;
    }
  }
  return [...lines, current];
}

function bold(raw: string): string {
  return `\\fB${escaped(raw)}\\fR`;
}

function italic(raw: string): string {
  return `\\fI${escaped(raw)}\\fR`;
}

/** Backslashes as such, hyphens and quotes as the ASCII ones that can be copied. */
function escaped(raw: string): string {
  return raw
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti");
}

function quoted(raw: string): string {
  return `"${raw.replaceAll('"', '""')}"`;
}

function lowerFirst(raw: string): string {
  return /^[A-Z][a-z]/.test(raw) ? raw.charAt(0).toLowerCase() + raw.slice(1) : raw;
}

function upperFirst(raw: string): string {
  return raw.charAt(0).toUpperCase() + raw.slice(1);
}
