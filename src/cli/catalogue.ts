import { allCommands, nouns } from "./commands";
import { globalArgs } from "./globals";
import type { AnyCommand, Arg, Args, CommandEntry, FlagArg, Noun, PositionalArg } from "./tree";

/** The whole tree with every definition loaded, as help, man pages and completions walk it. */

export type Loaded = {
  entry: CommandEntry;
  definition: AnyCommand;
  /** The name it is shown under: its top-level name where it has one ("ps"), else its path ("system prune"). */
  name: string;
};

/** The name a command is shown under. */
export function shownName({ path, aliases }: CommandEntry): string {
  return [path, ...aliases].find((each) => !each.includes(" ")) ?? path;
}

export async function loadCommand(entry: CommandEntry): Promise<Loaded> {
  const { command } = await entry.load();
  const { words } = await import("./words");
  const definition = words.length === 0 ? command : spelledOut(command, words);
  return { entry, definition, name: shownName(entry) };
}

const TEXTS = new Set(["description", "details", "does", "meaning"]);

/** A definition with texts in place of their numbers. */
function spelledOut<T>(value: T, words: readonly string[]): T {
  if (Array.isArray(value)) return value.map((each) => spelledOut(each, words)) as T;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, each]) => [
    key,
    typeof each === "number" && TEXTS.has(key) ? words[each] : spelledOut(each, words),
  ]);
  return Object.fromEntries(entries);
}

/** Every command that is not hidden, in the order of the table. */
export async function loadCommands(table: readonly CommandEntry[] = allCommands()): Promise<Loaded[]> {
  const all = await Promise.all(table.map(loadCommand));
  return all.filter(({ definition }) => definition.meta.hidden !== true);
}

/** A command and its one line, for lists of them. */
export type Summary = { entry: CommandEntry; description: string };

/** Every command that is not hidden, in the order of the table. The build has written their lines down: no definition is loaded. */
export async function summaries(): Promise<Summary[]> {
  const { descriptions } = await import("./summaries");
  if (descriptions.size === 0)
    return (await loadCommands()).map(({ entry, definition }) => ({
      entry,
      description: definition.meta.description,
    }));
  return allCommands().flatMap((entry) => {
    const description = descriptions.get(entry.path);
    return description === undefined ? [] : [{ entry, description }];
  });
}

/** The nouns that have commands. */
export function usedNouns(table: readonly CommandEntry[] = allCommands()): Noun[] {
  return nouns.filter(({ name }) => table.some(({ path }) => path.startsWith(`${name} `)));
}

/** The name of a command below a noun, or undefined where it has none there. */
export function nameBelow(noun: string, { path, aliases }: CommandEntry): string | undefined {
  return [path, ...aliases].find((each) => each.startsWith(`${noun} `))?.slice(noun.length + 1);
}

/** The flags of a definition that are shown, in order. */
export function shownFlags(args: Args): [string, FlagArg][] {
  return Object.entries(args).filter(
    (pair): pair is [string, FlagArg] => isFlag(pair[1]) && pair[1].hidden !== true,
  );
}

function isFlag(arg: Arg): arg is FlagArg {
  return arg.type !== "positional";
}

/** The global options that the command has not taken the names of. */
export function unshadowed(args: Args): Args {
  return Object.fromEntries(Object.entries(globalArgs).filter(([name]) => !Object.hasOwn(args, name)));
}

/** What stands behind a command's name: `[OPTIONS] CONTAINER [CONTAINER...]`. */
export function usageOf({ meta, args }: AnyCommand): string {
  if (meta.usage !== undefined) return meta.usage;
  const parts = shownFlags(args).length > 0 ? ["[OPTIONS]"] : [];
  for (const [key, arg] of Object.entries(args as Args)) {
    if (arg.type === "positional") parts.push(positionalUsage(key, arg));
  }
  return parts.join(" ");
}

function positionalUsage(key: string, arg: PositionalArg): string {
  const name = arg.valueHint ?? key.toUpperCase();
  if (arg.rest === true) return arg.required === false ? `[${name}...]` : `${name} [${name}...]`;
  return arg.required === false ? `[${name}]` : name;
}

/** The value's name as it is shown behind a flag: ` NAME`, `[=NAME]`, or nothing. */
export function valueUsage(arg: FlagArg): string {
  if (arg.type === "boolean") return "";
  return arg.type === "string" && arg.optional !== undefined ? `[=${arg.valueHint}]` : ` ${arg.valueHint}`;
}

/** The default in words, or undefined where there is none worth a word. */
export function defaultOf(arg: FlagArg): string | undefined {
  if (arg.type === "boolean") return arg.default === true ? "true" : undefined;
  return arg.default === undefined || arg.default === "" ? undefined : String(arg.default);
}

/** The values a flag may have, where there are only some. */
export function choicesOf(arg: Arg): readonly string[] {
  if (arg.type === "boolean" || arg.type === "int") return [];
  return typeof arg.value === "object" && "oneOf" in arg.value ? arg.value.oneOf : [];
}
