import type { App } from "./app";
import { type FlagIndex, indexFlags, positionalsOf } from "./args";
import { loadCommand, loadCommands, nameBelow, shownFlags, shownName, usedNouns } from "./catalogue";
import { commands } from "./commands";
import { findCommand } from "./find";
import { globalArgs } from "./globals";
import { providers } from "./providers";
import type { AnyCommand, Args, FlagArg, ValueKind } from "./tree";

/**
 * What a shell may offer for the last word of a command line. The answer follows the protocol of cobra's `__complete`:
 * a candidate a line, with a tab and its description behind it, and at the end `:N`, a sum of directives.
 */

export const directives = { error: 1, noSpace: 2, noFiles: 4, onlyDirectories: 16, keepOrder: 32 } as const;

export type Candidate = { readonly value: string; readonly description?: string | undefined };

export type Completion = { candidates: Candidate[]; directive: number };

/** What a provider of values is told. */
export type CompletionRequest = {
  app: App;
  /** What stands before the cursor; candidates that do not begin with it are left out afterwards. */
  prefix: string;
  /** Positionals before this one: the container of `exec`, the image of `run`. */
  before: readonly string[];
};

/** Finds the values of a kind. May throw: then nothing is offered. */
export type Provider = (request: CompletionRequest) => Promise<readonly Candidate[]> | readonly Candidate[];

const files: Completion = { candidates: [], directive: 0 };
const nothing: Completion = { candidates: [], directive: directives.noFiles };

/**
 * Complete the last of `words`, which stand behind the program's name. The last is "" where a new word begins.
 * Never throws: what cannot be found out is not offered.
 */
export async function complete(app: App, words: readonly string[]): Promise<Completion> {
  try {
    return only(await completeWord(app, words.slice(0, -1), words.at(-1) ?? ""), words.at(-1) ?? "");
  } catch {
    return nothing;
  }
}

/** The answer as text. */
export function printCompletion({ candidates, directive }: Completion): string {
  const lines = candidates.map(({ value, description }) =>
    description === undefined ? value : `${value}\t${description.replace(/[\t\n]/g, " ")}`,
  );
  return [...lines, `:${directive}`, ""].join("\n");
}

/** Leave out what does not begin with the word, once each. `--name=` is the beginning of its values. */
function only(completion: Completion, word: string): Completion {
  const seen = new Set<string>();
  const candidates = completion.candidates.filter(({ value }) => {
    if (!value.startsWith(word) || seen.has(value)) return false;
    seen.add(value);
    return true;
  });
  return { ...completion, candidates };
}

async function completeWord(app: App, before: readonly string[], word: string): Promise<Completion> {
  const root = walk(globalArgs, before, false);
  if (root.pending !== undefined) return valuesOf(app, root.pending.value, word, []);
  const { positionals } = root;
  const found = findCommand(positionals);
  if (found === undefined) return completeName(app, positionals, word, root.ended);
  const { definition } = await loadCommand(found.entry);
  if (definition.parsed === false) return nothing;
  const args = { ...globalArgs, ...definition.args } as Args;
  return completeArguments(app, definition, args, positionals.slice(found.words), word);
}

/** The name of a command, or an option in front of it. */
async function completeName(
  app: App,
  before: readonly string[],
  word: string,
  ended: boolean,
): Promise<Completion> {
  if (before.length === 0 && word.startsWith("-") && !ended) {
    return completeFlag(app, { ...globalArgs, ...rootFlags }, word, []);
  }
  const [noun, ...rest] = before;
  if (rest.length > 0) return nothing;
  const candidates: Candidate[] = [];
  for (const { entry, definition } of await loadCommands()) {
    const value = noun === undefined ? topLevelName(shownName(entry)) : nameBelow(noun, entry);
    if (value !== undefined) candidates.push({ value, description: definition.meta.description });
  }
  if (noun === undefined) {
    for (const { name, description } of usedNouns(commands)) candidates.push({ value: name, description });
  }
  return { candidates, directive: directives.noFiles };
}

const rootFlags = {
  version: { type: "boolean", alias: "v", description: "Print the version and exit" },
} as const satisfies Args;

function topLevelName(name: string): string | undefined {
  return name.includes(" ") ? undefined : name;
}

async function completeArguments(
  app: App,
  definition: AnyCommand,
  args: Args,
  before: readonly string[],
  word: string,
): Promise<Completion> {
  const state = walk(args, before, definition.interspersed !== false);
  if (state.pending !== undefined) return valuesOf(app, state.pending.value, word, state.positionals);
  if (word.startsWith("-") && !state.ended) return completeFlag(app, args, word, state.positionals);
  const wanted = positionalsOf(definition.args);
  const [, positional] =
    wanted[state.positionals.length] ?? wanted.findLast(([, { rest }]) => rest === true) ?? [];
  if (positional === undefined) return nothing;
  const result = await valuesOf(app, positional.value, word, state.positionals);
  // A target that is already named is not offered again.
  const candidates = result.candidates.filter(({ value }) => !state.positionals.includes(value));
  return { ...result, candidates };
}

/** The name of a flag, or behind its `=` the value. */
async function completeFlag(
  app: App,
  args: Args,
  word: string,
  positionals: readonly string[],
): Promise<Completion> {
  const equals = word.indexOf("=");
  if (!word.startsWith("--") || equals < 0) return flagNames(args, word);
  const flag = indexFlags(args).long(word.slice(2, equals))?.arg;
  if (flag === undefined) return nothing;
  const head = word.slice(0, equals + 1);
  const kind = flag.type === "boolean" ? ({ oneOf: ["true", "false"] } as const) : flag.value;
  const { candidates, directive } = await valuesOf(app, kind, word.slice(equals + 1), positionals);
  return { candidates: candidates.map((each) => ({ ...each, value: head + each.value })), directive };
}

type Walk = {
  positionals: string[];
  /** The flag that takes the next word. */
  pending: { value: ValueKind | undefined } | undefined;
  /** No flag can follow. */
  ended: boolean;
};

/** Go over finished words as the reader would, forgiving what it would refuse. */
function walk(args: Args, words: readonly string[], interspersed: boolean): Walk {
  const index = indexFlags(args);
  const state: Walk = { positionals: [], pending: undefined, ended: false };
  for (const [at, word] of words.entries()) {
    if (state.pending !== undefined) {
      state.pending = undefined;
    } else if (word === "--") {
      return { ...state, positionals: [...state.positionals, ...words.slice(at + 1)], ended: true };
    } else if (word.length > 1 && word.startsWith("-")) {
      state.pending = awaiting(word, index);
    } else if (interspersed) {
      state.positionals.push(word);
    } else {
      return { ...state, positionals: [...state.positionals, ...words.slice(at)], ended: true };
    }
  }
  return state;
}

/** The flag in `word` that needs the next word as its value. */
function awaiting(word: string, index: FlagIndex): Walk["pending"] {
  if (word.startsWith("--"))
    return needsValue(word.includes("=") ? undefined : index.long(word.slice(2))?.arg);
  for (let at = 1; at < word.length; at++) {
    const arg = index.short(word.charAt(at))?.arg;
    const pending = needsValue(arg);
    if (pending !== undefined) return at === word.length - 1 ? pending : undefined; // else the rest is its value
  }
  return undefined;
}

function needsValue(arg: FlagArg | undefined): Walk["pending"] {
  if (arg === undefined || arg.type === "boolean") return undefined;
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

async function valuesOf(
  app: App,
  kind: ValueKind | undefined,
  prefix: string,
  before: readonly string[],
): Promise<Completion> {
  if (kind === undefined || kind === "none") return nothing;
  if (kind === "file") return files;
  if (kind === "directory") return { candidates: [], directive: directives.onlyDirectories };
  if (typeof kind === "object") {
    const values = "oneOf" in kind ? kind.oneOf : kind.suggest;
    const open = values.some((value) => value.endsWith("=")) ? directives.noSpace : 0; // `status=`: more must follow
    return {
      candidates: values.map((value) => ({ value })),
      directive: directives.noFiles + directives.keepOrder + open,
    };
  }
  const provider = providers[kind];
  if (provider === undefined) return nothing;
  return { candidates: [...(await provider({ app, prefix, before }))], directive: directives.noFiles };
}
