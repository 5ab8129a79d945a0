import type { App } from "./app";
import { eitherOf, indexFlags } from "./args";
import { loadCommand, nameBelow, shownFlags, shownName, summaries, usedNouns } from "./catalogue";
import { findCommand, grammarOf } from "./find";
import { globalArgs, rootGlobals } from "./globals";
import { providerOf } from "./providers";
import type { Args, CommandEntry, FlagArg, FlagIndex, Grammar, PositionalArg, ValueKind } from "./tree";
import type { Candidate, CompletionRequest } from "./values/candidates";

/**
 * What a shell may offer for the last word of a command line. The answer follows the protocol of cobra's `__complete`:
 * a candidate a line, with a tab and its description behind it, and at the end `:N`, a sum of directives. Words behind
 * the cursor come in PROA_COMPLETE_AFTER, a line each: `exec -u ‸ web` knows whose users are meant.
 *
 * Asked at a key press, so nothing is made, mended or waited for: what cannot be seen at a glance is not offered.
 */

export const directives = { error: 1, noSpace: 2, noFiles: 4, onlyDirectories: 16, keepOrder: 32 } as const;

export type Completion = { candidates: readonly Candidate[]; directive: number };

const files: Completion = { candidates: [], directive: 0 };
const directories: Completion = { candidates: [], directive: directives.onlyDirectories };
const nothing: Completion = { candidates: [], directive: directives.noFiles };

/**
 * Complete the last of `words`, which stand behind the program's name. The last is "" where a new word begins.
 * Never throws: what cannot be found out is not offered.
 *
 * @param after finished words behind the cursor
 */
export async function complete(
  app: App,
  words: readonly string[],
  after: readonly string[] = [],
): Promise<Completion> {
  try {
    return await completionOf(app, words, after);
  } catch {
    return nothing;
  }
}

/** The same, and throws what went wrong. */
export async function completionOf(
  app: App,
  words: readonly string[],
  after: readonly string[] = [],
): Promise<Completion> {
  const word = words.at(-1) ?? "";
  return only(await completeWord(app, { before: words.slice(0, -1), word, after }), word);
}

/** The words of PROA_COMPLETE_AFTER. */
export function wordsAfter(text: string | undefined): string[] {
  return text === undefined || text === "" ? [] : text.split("\n");
}

/** The answer as text; bare: without descriptions. */
export function printCompletion({ candidates, directive }: Completion, isBare = false): string {
  return `${textOf(candidates, isBare) ?? textOf(withoutControls(candidates), isBare)}:${directive}\n`;
}

/**
 * Null where there is a control: a line end would be the end of a candidate, others are orders to the terminal. They are looked for in the whole text: of 1,500
 * candidates a regular expression for each takes a millisecond.
 */
function textOf(candidates: readonly Candidate[], isBare: boolean): string | null {
  let text = "";
  let tabs = 0;
  for (const { value, description } of candidates) {
    if (description === undefined || isBare) {
      text += `${value}\n`;
    } else {
      text += `${value}\t${description}\n`;
      tabs++;
    }
  }
  const isClean =
    !/[\x00-\x08\x0b-\x1f\x7f]/.test(text) &&
    text.split("\n").length === candidates.length + 1 &&
    text.split("\t").length === tabs + 1;
  return isClean ? text : null;
}

function withoutControls(candidates: readonly Candidate[]): Candidate[] {
  return candidates
    .filter(({ value }) => !/[\x00-\x1f\x7f]/.test(value))
    .map((each) => ({ ...each, description: each.description?.replace(/[\x00-\x1f\x7f]/g, " ") }));
}

/** Leave out what does not begin with the word, once each, and say where a blank would be in the way. */
function only({ candidates: all, directive }: Completion, word: string): Completion {
  const begun = word === "" ? all : all.filter(({ value }) => value.startsWith(word));
  const candidates = once(begun);
  const isOpen = candidates.some((each) => each.isOpen === true);
  return { candidates, directive: isOpen ? directive | directives.noSpace : directive };
}

/** The first of each value. Whether there are two of any is asked of all at once: of 1,500 candidates, which seldom are the same, that takes half the time. */
function once(candidates: readonly Candidate[]): readonly Candidate[] {
  if (new Set(candidates.map(({ value }) => value)).size === candidates.length) return candidates;
  const seen = new Set<string>();
  return candidates.filter(({ value }) => seen.size < seen.add(value).size);
}

/** A line with the word that is typed in its middle. */
type Line = { before: readonly string[]; word: string; after: readonly string[] };

async function completeWord(app: App, line: Line): Promise<Completion> {
  const index = indexFlags(rootGlobals);
  const root = walk(index, line.before, false);
  const request = {
    app,
    prefix: line.word,
    before: [],
    after: [],
    path: "",
    fields: async () => [],
    flags: root.flags,
  };
  if (root.pending !== undefined) return valuesOf(root.pending.value, request);
  const attached = attachedValue(index, line.word);
  if (attached !== undefined && root.positionals.length === 0) return attachedValuesOf(attached, request);
  const { positionals } = root;
  const found = findCommand(positionals);
  if (found === undefined) return completeName(positionals, line.word, root.ended);
  const grammar = await grammarOf(found.entry);
  if (grammar.parsed === false) return nothing;
  return completeArguments(app, found.entry, grammar, {
    ...line,
    before: positionals.slice(found.words),
  });
}

/** The name of a command, or an option in front of it. */
async function completeName(before: readonly string[], word: string, ended: boolean): Promise<Completion> {
  if (before.length === 0 && word.startsWith("-") && !ended)
    return flagNames({ ...rootGlobals, ...rootFlags }, word);
  return { candidates: await names(before), directive: directives.noFiles };
}

/** What can stand behind these words of a command's path. */
async function names(before: readonly string[]): Promise<Candidate[]> {
  const [noun, ...rest] = before;
  const candidates: Candidate[] = [];
  for (const { entry, description } of await summaries()) {
    const name = noun === undefined ? topLevelName(shownName(entry)) : nameBelow(noun, entry);
    const words = name?.split(" ") ?? [];
    if (!rest.every((word, at) => word === words[at])) continue;
    const value = words[rest.length];
    if (value === undefined) continue;
    candidates.push({ value, description: words.length > rest.length + 1 ? undefined : description });
  }
  if (noun === undefined) {
    for (const { name, description } of usedNouns()) candidates.push({ value: name, description });
  }
  return candidates;
}

const rootFlags = {
  version: { type: "boolean", alias: "v", description: "Print the version and exit" },
} as const satisfies Args;

function topLevelName(name: string): string | undefined {
  return name.includes(" ") ? undefined : name;
}

async function completeArguments(
  app: App,
  entry: CommandEntry,
  { flags, positionals: wanted, interspersed = true }: Grammar,
  { before, word, after }: Line,
): Promise<Completion> {
  const index = eitherOf(flags, indexFlags(globalArgs));
  const state = walk(index, before, interspersed);
  const behind = walk(index, after, interspersed);
  const request = {
    app,
    prefix: word,
    before: state.positionals,
    after: behind.positionals,
    path: entry.path,
    fields: async () => (await entry.load()).command.fields?.(app) ?? [],
    flags: new Map([...behind.flags, ...state.flags]),
  };
  if (state.pending !== undefined) return valuesOf(state.pending.value, request);
  if (before.includes("--")) return nothing;
  if (word.startsWith("-") && !state.ended) {
    const attached = attachedValue(index, word);
    return attached === undefined ? flagNames(await told(entry), word) : attachedValuesOf(attached, request);
  }
  const [, positional] =
    wanted[state.positionals.length] ?? wanted.findLast(([, { rest }]) => rest === true) ?? [];
  if (positional === undefined) return nothing;
  const result = await valuesOf(positional.value, request);
  return isTarget(positional) ? without(result, [...state.positionals, ...behind.positionals]) : result;
}

/** The flags of a command with their texts, which nothing else needs. */
async function told(entry: CommandEntry): Promise<Args> {
  return { ...globalArgs, ...(await loadCommand(entry)).definition.args } as Args;
}

/** Takes several, each of which makes sense once. */
function isTarget({ rest, value }: PositionalArg): boolean {
  return rest === true && value !== "command" && value !== "host-command";
}

function without(completion: Completion, named: readonly string[]): Completion {
  if (named.length === 0) return completion;
  return { ...completion, candidates: completion.candidates.filter(({ value }) => !named.includes(value)) };
}

/** A flag and its value in one word. */
type Attached = { flag: FlagArg; head: string };

/** `--name=VALUE`, `-nVALUE`, `-abnVALUE`, `-n=VALUE`: the flag, and what stands before the value. */
function attachedValue(index: FlagIndex, word: string): Attached | undefined {
  if (!/^-[^=]/.test(word)) return undefined;
  if (word.startsWith("--")) {
    const equals = word.indexOf("=");
    const flag = equals < 0 ? undefined : index.long(word.slice(2, equals))?.arg;
    return flag && { flag, head: word.slice(0, equals + 1) };
  }
  for (let at = 1; at < word.length; at++) {
    const flag = index.short(word.charAt(at))?.arg;
    if (flag === undefined) return undefined;
    if (needsValue(flag) === undefined && word.charAt(at + 1) !== "=") continue;
    const head = word.slice(0, at + (word.charAt(at + 1) === "=" ? 2 : 1));
    return head.length > word.length || at === word.length - 1 ? undefined : { flag, head };
  }
  return undefined;
}

async function attachedValuesOf({ flag, head }: Attached, request: CompletionRequest): Promise<Completion> {
  const kind = flag.type === "boolean" ? ({ oneOf: ["true", "false"] } as const) : flag.value;
  const prefix = request.prefix.slice(head.length);
  const found = await (kind === "file" || kind === "directory"
    ? pathsOf(request.app, prefix, kind === "directory") // shells complete files where a word begins
    : valuesOf(kind, { ...request, prefix }));
  return { ...found, candidates: found.candidates.map((each) => ({ ...each, value: head + each.value })) };
}

async function pathsOf(app: App, prefix: string, onlyDirectories: boolean): Promise<Completion> {
  const { hostPaths } = await import("./values/host");
  const candidates = hostPaths(app.env, prefix, onlyDirectories ? "directories" : "all");
  return { candidates, directive: directives.noFiles };
}

type Walk = {
  positionals: string[];
  /** The flag that takes the next word. */
  pending: { name: string; value: ValueKind | undefined } | undefined;
  /** No flag can follow. */
  ended: boolean;
  /** Values of flags. */
  flags: Map<string, string[]>;
};

/** Go over finished words as the reader would, forgiving what it would refuse. */
function walk(index: FlagIndex, words: readonly string[], interspersed: boolean): Walk {
  const state: Walk = { positionals: [], pending: undefined, ended: false, flags: new Map() };
  for (const [at, word] of words.entries()) {
    if (state.pending !== undefined) {
      note(state, state.pending.name, word);
      state.pending = undefined;
    } else if (word === "--") {
      return { ...state, positionals: [...state.positionals, ...words.slice(at + 1)], ended: true };
    } else if (word.length > 1 && word.startsWith("-")) {
      const equals = word.startsWith("--") ? word.indexOf("=") : -1;
      const named = equals < 0 ? undefined : index.long(word.slice(2, equals));
      if (named !== undefined) note(state, named.key, word.slice(equals + 1));
      else state.pending = awaiting(word, index);
    } else if (interspersed) {
      state.positionals.push(word);
    } else {
      return { ...state, positionals: [...state.positionals, ...words.slice(at)], ended: true };
    }
  }
  return state;
}

function note({ flags }: Walk, name: string, value: string): void {
  flags.set(name, [...(flags.get(name) ?? []), value]);
}

/** The flag in `word` that needs the next word as its value. */
function awaiting(word: string, index: FlagIndex): Walk["pending"] {
  if (word.startsWith("--")) {
    const found = word.includes("=") ? undefined : index.long(word.slice(2));
    return found && pendingOf(found.key, found.arg);
  }
  for (let at = 1; at < word.length; at++) {
    const found = index.short(word.charAt(at));
    const pending = found && pendingOf(found.key, found.arg);
    if (pending !== undefined) return at === word.length - 1 ? pending : undefined; // else the rest is its value
  }
  return undefined;
}

function pendingOf(name: string, arg: FlagArg): Walk["pending"] {
  const value = needsValue(arg);
  return value && { name, ...value };
}

function needsValue(arg: FlagArg): { value: ValueKind | undefined } | undefined {
  if (arg.type === "boolean") return undefined;
  return arg.type === "string" && arg.optional !== undefined ? undefined : { value: arg.value };
}

/** The flags; the one-letter names only where nothing but a dash is there. */
function flagNames(args: Args, word: string): Completion {
  const candidates: Candidate[] = [];
  for (const [name, arg] of shownFlags(args)) {
    candidates.push({ value: `--${name}`, description: arg.description });
    if (arg.alias !== undefined && word.length <= 2) {
      candidates.push({ value: `-${arg.alias}`, description: arg.description });
    }
  }
  candidates.push({ value: "--help", description: "Print help and exit" });
  return { candidates, directive: directives.noFiles };
}

async function valuesOf(kind: ValueKind | undefined, request: CompletionRequest): Promise<Completion> {
  if (kind === undefined || kind === "none") return nothing;
  if (kind === "file") return files;
  if (kind === "directory") return directories;
  if (kind === "topic") return { candidates: await names(request.before), directive: directives.noFiles };
  const order = typeof kind === "object" ? directives.keepOrder : 0;
  return { candidates: await providerOf(kind)(request), directive: directives.noFiles + order };
}
