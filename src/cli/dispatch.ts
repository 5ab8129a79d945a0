import { tracing } from "../error";
import { indexFlags, readFlags, readLine, usageError, withDefaults } from "./args";
import { allNames, nouns } from "./commands";
import { type Found, findCommand, grammarOf, program } from "./find";
import { type Globals, globalArgs, globalsOf, rootGlobals } from "./globals";
import type { Io } from "./io";
import { reportError } from "./report";
import { didYouMean } from "./suggest";
import type { Args, CommandEntry, Values } from "./tree";

type GlobalValues = Values<typeof globalArgs>;

/** What a command line asks for. */
type Asked =
  | { kind: "version" }
  | { kind: "help"; topic: readonly string[] }
  | { kind: "command"; found: Found; typed: string; rest: readonly string[] };

const rootArgs = {
  ...rootGlobals,
  version: { type: "boolean", alias: "v", description: "Print the version and exit" },
} as const satisfies Args;

/**
 * Run a command line.
 *
 * @param argv the words behind the program's name
 * @returns the exit status; errors are already reported
 */
export async function runCommandLine(argv: readonly string[], io: Io): Promise<number> {
  const context = { typed: program, debug: false };
  try {
    return await dispatch(argv, io, context);
  } catch (error) {
    return reportError(io, error, context);
  }
}

type Context = { typed: string; debug: boolean };

async function dispatch(argv: readonly string[], io: Io, context: Context): Promise<number> {
  for (const word of argv) if (word.includes("\uFFFD")) (await import("./_utf8")).refuseNonUtf8(argv);
  const before = readRoot(argv);
  heed(before.globals, io, context);
  const asked = resolve(before.words, before, context);
  if (asked.kind === "version") {
    const { versionLine } = await import("./_version");
    io.stdout.write(`${versionLine}\n`);
    return 0;
  }
  if (asked.kind === "help") return printHelp(asked.topic, io);
  const { entry } = asked.found;
  const grammar = await grammarOf(entry);
  if (grammar.parsed === false) {
    const [key] = grammar.positionals[0] ?? ["rest"]; // its only argument: all the words
    return call(entry, { [key]: asked.rest }, io, before.globals, asked.typed);
  }
  const line = readLine(grammar, asked.rest, asked.typed, indexFlags(globalArgs));
  heed(line.behind, io, context);
  if (line.help) return printHelp(entry.path.split(" "), io, asked.typed);
  const globals = { ...before.globals, ...line.behind };
  return call(entry, line.values, io, globals, asked.typed);
}

/** @param values those of the command line */
async function call(
  entry: CommandEntry,
  values: Record<string, unknown>,
  io: Io,
  globals: Partial<GlobalValues>,
  typed: string,
): Promise<number> {
  const { createApp } = await import("./app"); // opens the way to the engine: not for help, not for a usage error
  const { command } = await entry.load();
  tracing.command = typed;
  const complete = globalsFrom(globals);
  const args = withDefaults(command.args, values);
  const given = new Set(Object.keys(values));
  const app = createApp(io, complete);
  const { logLevel } = complete;
  if (logLevel === undefined) return (await command.run({ app, args, given, typed })) ?? 0;
  const { told } = await import("./_log");
  return told(io, logLevel, typed, async () => (await command.run({ app, args, given, typed })) ?? 0);
}

/** What the global options say of messages and errors, from here on. */
function heed(globals: Partial<GlobalValues>, io: Io, context: Context): void {
  const level = globals["log-level"];
  if (globals.debug === true || level === "debug" || level === "trace")
    context.debug = tracing.isDebugged = true;
  if (globals.color !== undefined) io.stdout.colour = io.stderr.colour = globals.color;
}

function globalsFrom(globals: Partial<GlobalValues>): Globals {
  return globalsOf({
    config: undefined,
    color: undefined,
    debug: false,
    "log-level": undefined,
    "storage-driver": undefined,
    "cgroup-manager": undefined,
    ...globals,
  });
}

type Root = { globals: Partial<GlobalValues>; words: string[]; version: boolean; help: boolean };

/** Read the options in front of the verb. */
function readRoot(argv: readonly string[]): Root {
  const root: Root = { globals: {}, words: [...argv], version: false, help: false };
  if (argv[0] !== undefined && !argv[0].startsWith("-")) return root; // the usual case, without an index
  const index = indexFlags(rootArgs);
  const raw = readFlags(argv, index, false);
  root.help = raw.help;
  // `proa --help run` asks about run.
  const behindHelp = argv.findIndex((word) => word === "--help" || word === "-h") + 1;
  root.words = raw.help ? readFlags(argv.slice(behindHelp), index, false).positionals : raw.positionals;
  if (raw.help) root.words = root.words.filter((word) => !word.startsWith("-"));
  const values: Record<string, unknown> = {};
  for (const { flag, value } of raw.flags) values[flag.key] = value;
  root.version = values.version === true;
  delete values.version;
  root.globals = values;
  return root;
}

function resolve(words: readonly string[], root: Root, context: Context): Asked {
  if (root.version) return { kind: "version" };
  const [first, second] = words;
  if (root.help || first === undefined) return { kind: "help", topic: words };
  const found = findCommand(words);
  if (found !== undefined) {
    const typed = [program, ...words.slice(0, found.words)].join(" ");
    context.typed = typed;
    return { kind: "command", found, typed, rest: words.slice(found.words) };
  }
  if (!isNoun(first)) throw unknownCommand("", first);
  context.typed = `${program} ${first}`;
  if (second === undefined || second === "--help" || second === "-h") return { kind: "help", topic: [first] };
  if (second.startsWith("-")) throw usageError(`unknown flag: ${second}`);
  const group = `${first} ${second} `; // "image trust"
  if (!namesBelow(group).length) throw unknownCommand(`${first} `, second);
  context.typed = `${program} ${first} ${second}`;
  const [, , third] = words;
  if (third === undefined || third === "--help" || third === "-h")
    return { kind: "help", topic: [first, second] };
  if (third.startsWith("-")) throw usageError(`unknown flag: ${third}`);
  throw unknownCommand(group, third);
}

function isNoun(word: string): boolean {
  for (const { name } of nouns) if (name === word) return true;
  return false;
}

/** The words that may stand behind a noun. */
function namesBelow(noun: string): string[] {
  const words: string[] = [];
  for (const name of allNames()) {
    if (!name.startsWith(noun) || name.startsWith("_")) continue;
    const end = name.indexOf(" ", noun.length);
    const word = name.slice(noun.length, end < 0 ? undefined : end);
    if (word !== words[words.length - 1]) words.push(word);
  }
  return words;
}

function unknownCommand(noun: string, word: string): Error {
  const names = namesBelow(noun);
  const shown = /^$|\s/.test(word) ? JSON.stringify(word) : word;
  const dress = (name: string) => `"${program} ${noun}${name}"`;
  return usageError(`unknown command: ${program} ${noun}${shown}`, didYouMean(word, names, dress));
}

async function printHelp(topic: readonly string[], io: Io, typed?: string): Promise<number> {
  const { helpFor } = await import("./help");
  io.stdout.write(await helpFor(topic, { columns: io.stdout.columns, typed, on: io.stdout, env: io.env }));
  return 0;
}
