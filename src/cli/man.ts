import {
  choicesOf,
  defaultOf,
  type Loaded,
  loadCommand,
  loadCommands,
  nameBelow,
  shownFlags,
  unshadowed,
  usageOf,
  usedNouns,
  valueUsage,
} from "./catalogue";
import { allNames } from "./commands";
import { findCommand, program } from "./find";
import { rootGlobals } from "./globals";
import {
  type Block,
  bold,
  type Inline,
  italic,
  itemOf,
  type Page,
  paragraphsOf,
  plain,
  type Section,
} from "./page";
import { pageOfSubject, subjects } from "./pages";
import { flagExamples, valueNotes } from "./pages/options";
import { type Fact, files, ofCommand, variables } from "./pages/surroundings";
import { roffOf } from "./roff";
import type { AnyCommand, Args, FlagArg } from "./tree";

/**
 * The manual: a page for proa, one for each noun, one for each command under the name it is shown by (its other names are in its synopsis), and those about
 * a subject.
 */

/** All pages in roff: file name to content. */
export async function manPages(): Promise<Map<string, string>> {
  const loaded = await loadCommands();
  const pages = [
    rootPage(loaded),
    ...usedNouns().map(({ name, description }) => nounPage(name, description, loaded)),
    ...loaded.map(commandPage),
    ...(await Promise.all(subjects.map(pageOfSubject))),
  ];
  return new Map(pages.map((page) => [`${page.name}.${page.number}`, roffOf(page)]));
}

/** The page about a command, a noun, a subject, or with no words proa itself; undefined where there is none. */
export async function pageAbout(words: readonly string[]): Promise<Page | undefined> {
  const [first = ""] = words;
  if (words.length === 0 || (words.length === 1 && first === program)) return rootPage(await loadCommands());
  const found = findCommand(words);
  if (found?.words === words.length) {
    const loaded = await loadCommand(found.entry);
    return loaded.definition.meta.hidden === true ? undefined : commandPage(loaded);
  }
  if (words.length > 1) return undefined;
  const paged = wordsOfPage(first);
  if (paged !== undefined) return pageAbout(paged);
  const noun = usedNouns().find(({ name }) => name === words[0]);
  if (noun !== undefined) return nounPage(noun.name, noun.description, await loadCommands());
  const subject = subjects.find(({ names }) => names.includes(words[0] ?? ""));
  return subject === undefined ? undefined : pageOfSubject(subject);
}

/** What a page is about by its name, with or without the program's in front: `proa-image-trust-set`, `proa-networks`. */
function wordsOfPage(name: string): string[] | undefined {
  const short = name.startsWith(`${program}-`) ? name.slice(program.length + 1) : name;
  const paths = allNames();
  const path =
    paths.find((each) => each.replaceAll(" ", "-") === short) ??
    paths.find((each) => each.includes("-") && each.endsWith(` ${short}`)); // docker-alias
  if (path !== undefined) return path.split(" ");
  return short === name ? undefined : [short];
}

/** The page of a command: `proa-run`. */
function pageOf(name: string): string {
  return [program, ...name.split(" ")].filter((word) => word !== "").join("-");
}

function commandPage({ entry, definition, name }: Loaded): Page {
  const { meta, args } = definition;
  const others = [entry.path, ...entry.aliases].filter((each) => each !== name);
  const usage = usageOf(definition);
  return pageFor(name, meta.description, [
    synopsis([name, ...others].map((each) => [each, usage])),
    {
      heading: "DESCRIPTION",
      blocks: paragraphsOf(`${meta.description}.${meta.details === undefined ? "" : `\n\n${meta.details}`}`),
    },
    argumentSection(definition),
    optionSection("OPTIONS", args, entry.path),
    optionSection("GLOBAL OPTIONS", unshadowed(args), ""),
    exampleSection(definition),
    exitSection(statusesOf(entry.path, args), meta.exitStatuses ?? []),
    factSection("FILES", ofCommand(files, entry.path)),
    factSection("ENVIRONMENT", ofCommand(variables, entry.path)),
    seeAlso([`${program}(1)`, ...(meta.seeAlso ?? []), ...subjectsOf(entry.path)]),
  ]);
}

/** The subjects that a command has to do with. */
function subjectsOf(path: string): string[] {
  return subjects
    .filter(({ commands }) => commands.test(path))
    .map(({ name, number }) => `${name}(${number})`);
}

function nounPage(noun: string, description: string, loaded: readonly Loaded[]): Page {
  const below = loaded.flatMap((each) => {
    const name = nameBelow(noun, each.entry);
    return name === undefined ? [] : [{ name: `${noun} ${name}`, each }];
  });
  return pageFor(noun, description, [
    synopsis([[noun, "COMMAND [ARG...]"]]),
    { heading: "DESCRIPTION", blocks: paragraphsOf(`${description}.`) },
    {
      heading: "COMMANDS",
      blocks: below.map(({ name, each }) => commandReference(`${program} ${name}`, each)),
    },
    seeAlso([`${program}(1)`, ...below.map(({ each }) => `${pageOf(each.name)}(1)`)]),
  ]);
}

function rootPage(loaded: readonly Loaded[]): Page {
  const sorted = loaded.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return pageFor("", "Run containers without root and without a daemon", [
    synopsis([["", "[OPTIONS] COMMAND [ARG...]"]]),
    {
      heading: "DESCRIPTION",
      blocks: paragraphsOf(
        `${program} is a container engine in one executable. It needs no daemon and no privilege; ` +
          "its command line is that of docker(1), its images and containers follow the OCI specifications.\n\n" +
          `\`${program} COMMAND --help\` is a short help, \`${program} help COMMAND\` the page of this manual.`,
      ),
    },
    {
      heading: "COMMANDS",
      blocks: sorted.map((each) => commandReference(`${program} ${each.name}`, each)),
    },
    {
      heading: "SUBJECTS",
      blocks: subjects.map(({ name, number, summary }) =>
        itemOf([bold(name), plain(`(${number})`)], `${upperFirst(summary)}.`),
      ),
    },
    optionSection(
      "OPTIONS",
      {
        ...rootGlobals,
        version: { type: "boolean", alias: "v", description: "Print the version and exit" },
        help: { type: "boolean", description: "Print help and exit" },
      },
      "",
    ),
    exitSection(statusesOf("", {}), []),
    factSection("FILES", files),
    factSection("ENVIRONMENT", variables),
    seeAlso([
      ...sorted.map(({ name }) => `${pageOf(name)}(1)`),
      ...subjects.map(({ name, number }) => `${name}(${number})`),
    ]),
  ]);
}

/** One line on a command, with the page to read on where that has another name. */
function commandReference(shown: string, { definition, name }: Loaded): Block {
  return itemOf([bold(shown)], `${definition.meta.description}. See ${pageOf(name)}(1).`);
}

function pageFor(name: string, summary: string, sections: readonly (Section | undefined)[]): Page {
  return {
    name: pageOf(name),
    number: 1,
    summary: lowerFirst(summary),
    sections: sections.filter((each) => each !== undefined && each.blocks.length > 0) as Section[],
  };
}

function synopsis(lines: readonly (readonly [name: string, usage: string])[]): Section {
  const shown = lines.map(([name, usage]): Inline => {
    const command = [program, name].filter((word) => word !== "").join(" ");
    return usage === "" ? [bold(command)] : [bold(command), plain(` ${usage}`)];
  });
  return { heading: "SYNOPSIS", blocks: [{ kind: "lines", lines: shown }] };
}

function argumentSection({ args }: AnyCommand): Section {
  const blocks: Block[] = [];
  for (const [key, arg] of Object.entries(args as Args)) {
    if (arg.type !== "positional") continue;
    blocks.push(itemOf([italic(arg.valueHint ?? key.toUpperCase())], `${arg.description}.`));
  }
  return { heading: "ARGUMENTS", blocks };
}

function optionSection(heading: string, args: Args, path: string): Section {
  const blocks = shownFlags(args).map(([name, arg]) => itemOf(flagTag(name, arg), flagText(name, arg, path)));
  return { heading, blocks };
}

function flagTag(name: string, arg: FlagArg): Inline {
  const short = arg.alias === undefined ? [] : [bold(`-${arg.alias}`), plain(", ")];
  if (arg.type === "boolean") return [...short, bold(`--${name}`)];
  const [before = "", after = ""] = valueUsage(arg).split(arg.valueHint);
  return [...short, bold(`--${name}`), plain(before), italic(arg.valueHint), plain(after)].filter(
    ({ text }) => text !== "",
  );
}

function flagText(name: string, arg: FlagArg, path: string): string {
  const choices = choicesOf(arg);
  const fallback = defaultOf(arg);
  const sentences = [`${arg.description}.`];
  if (arg.details !== undefined) sentences.push(arg.details);
  if (choices.length > 0) sentences.push(`One of: ${choices.join(", ")}.`);
  const note = arg.type === "boolean" ? undefined : valueNotes[arg.valueHint];
  if (note !== undefined) sentences.push(note);
  if (arg.type === "string" && arg.optional !== undefined && arg.optional !== "") {
    sentences.push(`Without a value: ${arg.optional}.`);
  }
  if (arg.type === "string" && arg.multiple === true) sentences.push("May be given several times.");
  const others = (arg.hiddenNames ?? []).map((other) => `--${other}`);
  if (others.length > 0) sentences.push(`Also: ${others.join(", ")}.`);
  if (fallback !== undefined) sentences.push(`Default: ${fallback}.`);
  const example = flagExamples[`${path} ${name}`] ?? flagExamples[name];
  if (example !== undefined && arg.type !== "boolean") sentences.push(`Example: \`${example}\`.`);
  return sentences.join(" ");
}

function exampleSection({ meta }: AnyCommand): Section {
  const all: readonly { command: string; does: string }[] = meta.examples ?? [];
  return {
    heading: "EXAMPLES",
    blocks: all.map(({ command, does }) => itemOf([bold(command)], `${upperFirst(does)}.`)),
  };
}

type Status = { status: string; meaning: string };

/** What every command ends with, but for those whose failures are all of the engine: docker and podman tell them by that from the status of a program. */
function statusesOf(path: string, args: Args): Status[] {
  const isEngines = /^container (run|create)$|^(build|image build)$|^artifact (?!inspect)/.test(path);
  const hasDocuments = "format" in args && /(^| )(inspect|info|version|doctor|why|events)$/.test(path);
  return [
    { status: "0", meaning: "success" },
    ...(isEngines
      ? []
      : [
          {
            status: "1",
            meaning: "what was asked about is not there, or what was asked for could not be done",
          },
        ]),
    ...(hasDocuments ? [{ status: "64", meaning: "the template of --format cannot be parsed" }] : []),
    { status: "125", meaning: `${program} itself failed, or the command line is wrong` },
  ];
}

function exitSection(usual: readonly Status[], more: readonly Status[]): Section {
  const unique = new Map([...usual, ...more].map((each) => [each.status, each.meaning]));
  return {
    heading: "EXIT STATUS",
    blocks: [...unique].map(([status, meaning]) =>
      itemOf([bold(status)], `${upperFirst(meaning.replace(/\.$/, ""))}.`),
    ),
  };
}

function factSection(heading: string, facts: readonly Fact[]): Section {
  return { heading, blocks: facts.map(({ names, says }) => itemOf(namesOf(names), says)) };
}

function namesOf(names: readonly string[]): Inline {
  return names.flatMap((name, at) => (at === 0 ? [bold(name)] : [plain(", "), bold(name)]));
}

function seeAlso(pages: readonly string[]): Section {
  const sorted = [...new Set(pages)].toSorted();
  const text = sorted.flatMap((each, at): Inline => {
    const [, name = each, section = ""] = /^(.*?)(\(\d\w*\))$/.exec(each) ?? [];
    return [bold(name), plain(`${section}${at < sorted.length - 1 ? ", " : ""}`)];
  });
  return { heading: "SEE ALSO", blocks: [{ kind: "text", text }] };
}

function lowerFirst(raw: string): string {
  return /^[A-Z][a-z]/.test(raw) ? raw.charAt(0).toLowerCase() + raw.slice(1) : raw;
}

function upperFirst(raw: string): string {
  return raw.charAt(0).toUpperCase() + raw.slice(1);
}
