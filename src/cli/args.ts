import { EngineError } from "../error";
import { didYouMean } from "./suggest";
import type { Arg, Args, Flag, FlagArg, FlagIndex, Grammar, PositionalArg, ValueKind, Values } from "./tree";

/**
 * The argv reader: docker's grammar (that of Go's pflag) over the `args` of a definition.
 *
 * - `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`, `-n=VALUE`; booleans `--rm`, `--rm=false`, never `--rm false`.
 * - Short names cluster: `-it`, `-itd`, and `-dp 80:80` where the last one takes the value.
 * - A flag that needs a value takes the next word whatever it looks like (`--entrypoint -x`, `--name --`).
 * - A flag with an optional value takes one only behind `=`.
 * - `-` alone is a positional; `--` ends the flags.
 * - `interspersed: false`: the first positional ends the flags, and all behind it is left as it is, `--` too.
 */

/** An error in the command line itself. `text` is complete; the reporter adds where to read on. */
export function usageError(text: string, hint?: string): EngineError {
  return new EngineError("usage", text, "", "", { hint });
}

/**
 * Find the flags of `args`. Nothing is indexed: of the 170 flags of `run` a command line has a few, and a map of them all costs 0.3 ms.
 */
export function indexFlags(args: Args): FlagIndex {
  return {
    long: (name) => {
      const own = Object.hasOwn(args, name) ? args[name] : undefined;
      if (own !== undefined && own.type !== "positional") return { key: name, arg: own };
      for (const key in args) {
        const arg = args[key] as Arg;
        if (arg.type !== "positional" && arg.hiddenNames?.includes(name)) return { key, arg };
      }
      return undefined;
    },
    short: (letter) => {
      for (const key in args) {
        const arg = args[key] as Arg;
        if (arg.type !== "positional" && arg.alias === letter) return { key, arg };
      }
      return undefined;
    },
    names: () => {
      const names: string[] = [];
      for (const key in args) {
        const arg = args[key] as Arg;
        if (arg.type !== "positional" && arg.hidden !== true) names.push(key);
      }
      return names;
    },
  };
}

/**
 * The flags of `own`, and those of `others` whose names it leaves free.
 *
 * @param found gets those of `others` that were looked up
 */
export function eitherOf(own: FlagIndex, others: FlagIndex, found?: Set<FlagArg>): FlagIndex {
  const noted = (flag: Flag | undefined): Flag | undefined => {
    if (flag !== undefined) found?.add(flag.arg);
    return flag;
  };
  return {
    long: (name) => own.long(name) ?? noted(others.long(name)),
    short: (letter) => own.short(letter) ?? noted(others.short(letter)),
    names: () => {
      const names = own.names();
      for (const name of others.names()) names.push(name);
      return names;
    },
  };
}

/** The grammar of a definition. */
export function grammarIn({ args, interspersed, parsed }: Readable<Args>): Grammar {
  return { flags: indexFlags(args), positionals: positionalsOf(args), interspersed, parsed };
}

type Raw = boolean | number | string;

/** What was on the command line, before defaults and before positionals are given their names. */
export type RawReading = {
  flags: { flag: Flag; value: Raw }[];
  positionals: string[];
  /** `--help` was met, or `-h` where it is no flag of the command; reading stopped there. */
  help: boolean;
};

/** Split argv into flags and positionals. Throws `usage`. */
export function readFlags(argv: readonly string[], index: FlagIndex, interspersed: boolean): RawReading {
  const reading: RawReading = { flags: [], positionals: [], help: false };
  let at = 0;
  while (at < argv.length) {
    const word = argv[at++] ?? "";
    if (word === "--") {
      reading.positionals.push(...argv.slice(at));
      break;
    }
    if (word.length < 2 || word[0] !== "-") {
      reading.positionals.push(word);
      if (interspersed) continue;
      reading.positionals.push(...argv.slice(at));
      break;
    }
    const used =
      word[1] === "-" ? readLong(word, argv[at], index, reading) : readShort(word, argv[at], index, reading);
    if (reading.help) break;
    at += used;
  }
  return reading;
}

/** Read `--name` or `--name=value`. Returns how many of the following words it took. */
function readLong(word: string, next: string | undefined, index: FlagIndex, reading: RawReading): 0 | 1 {
  const equals = word.indexOf("=");
  const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
  if (name === "" || name.startsWith("-")) throw usageError(`bad flag syntax: ${word}`);
  const flag = index.long(name);
  if (flag === undefined) {
    if (name === "help") {
      reading.help = true;
      return 0;
    }
    throw usageError(
      `unknown flag: --${name}`,
      didYouMean(name, ["help", ...index.names()], (found) => `--${found}`),
    );
  }
  if (equals >= 0) {
    reading.flags.push({ flag, value: convert(flag, word.slice(equals + 1)) });
    return 0;
  }
  const bare = valueWhenBare(flag);
  if (bare !== undefined) {
    reading.flags.push({ flag, value: bare });
    return 0;
  }
  if (next === undefined) throw usageError(`flag needs an argument: --${name}`, needsHint(flag));
  reading.flags.push({ flag, value: convert(flag, next) });
  return 1;
}

/** Read a cluster of short names. Returns how many of the following words it took. */
function readShort(word: string, next: string | undefined, index: FlagIndex, reading: RawReading): 0 | 1 {
  let rest = word.slice(1);
  while (rest !== "") {
    const letter = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    const flag = index.short(letter);
    if (flag === undefined) {
      if (letter === "h") {
        reading.help = true;
        return 0;
      }
      throw usageError(`unknown shorthand flag: '${letter}' in ${word}`, oneDashHint(word, index));
    }
    rest = rest.slice(letter.length);
    if (rest.length > 1 && rest[0] === "=") {
      reading.flags.push({ flag, value: convert(flag, rest.slice(1)) });
      return 0;
    }
    const bare = valueWhenBare(flag);
    if (bare !== undefined) {
      reading.flags.push({ flag, value: bare });
      continue;
    }
    if (rest !== "") {
      reading.flags.push({ flag, value: convert(flag, rest) });
      return 0;
    }
    if (next === undefined)
      throw usageError(`flag needs an argument: '${letter}' in ${word}`, needsHint(flag));
    reading.flags.push({ flag, value: convert(flag, next) });
    return 1;
  }
  return 0;
}

/** `-name x`, written with one dash: the long flag was meant. */
function oneDashHint(word: string, index: FlagIndex): string | undefined {
  const name = word.slice(1).split("=", 1)[0] ?? "";
  return index.long(name) ? `did you mean --${name}?` : undefined;
}

function needsHint({ key, arg }: Flag): string | undefined {
  return arg.type === "boolean" ? undefined : `--${key} ${arg.valueHint}`;
}

function valueWhenBare({ arg }: Flag): Raw | undefined {
  if (arg.type === "boolean") return true;
  return arg.type === "string" ? arg.optional : undefined;
}

/** As strconv.ParseBool has it. */
function readBoolean(text: string): boolean | undefined {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  return /^(?:0|f|F|false|FALSE|False)$/.test(text) ? false : undefined;
}

/** From the text on the command line to the flag's type. Throws `usage`. */
function convert(flag: Flag, text: string): Raw {
  const { arg } = flag;
  switch (arg.type) {
    case "boolean": {
      const value = readBoolean(text);
      if (value === undefined) throw invalidValue(flag, text, "not true or false");
      return value;
    }
    case "int": {
      const value = /^[+-]?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (Number.isNaN(value)) throw invalidValue(flag, text, "not a whole number");
      if (arg.min !== undefined && value < arg.min) throw invalidValue(flag, text, `less than ${arg.min}`);
      if (arg.max !== undefined && value > arg.max) throw invalidValue(flag, text, `more than ${arg.max}`);
      return value;
    }
    case "string": {
      const choices = choicesIn(arg.value);
      if (choices.length > 0 && !choices.includes(text)) {
        throw invalidValue(flag, text, oneOfThese(choices), didYouMean(text, choices));
      }
      return text;
    }
  }
}

function choicesIn(kind: ValueKind | undefined): readonly string[] {
  return typeof kind === "object" && "oneOf" in kind ? kind.oneOf : [];
}

function oneOfThese(choices: readonly string[]): string {
  return `must be one of ${choices.map((choice) => `"${choice}"`).join(", ")}`;
}

function invalidValue({ key, arg }: Flag, text: string, why: string, hint?: string): EngineError {
  const name = arg.alias === undefined ? `--${key}` : `-${arg.alias}, --${key}`;
  return usageError(`invalid argument "${text}" for "${name}" flag: ${why}`, hint);
}

/** What stands on a command line, without what does not. */
export type Line = {
  values: Record<string, unknown>;
  /** The global options that were met, by key. */
  behind: Record<string, unknown>;
  help: boolean;
};

/**
 * Read the words behind a command's name.
 *
 * @param typed the command as it was typed, for messages: "proa run"
 * @param behind the global options, accepted where the command has no flag of that name
 * @returns with `help` set nothing was checked
 * @throws `usage` for an unknown flag, a value that does not fit, too few or too many positionals
 */
export function readLine(grammar: Grammar, argv: readonly string[], typed: string, behind?: FlagIndex): Line {
  const { flags: own } = grammar;
  const others = new Set<FlagArg>();
  const index = behind === undefined ? own : eitherOf(own, behind, others);
  const raw = readFlags(argv, index, grammar.interspersed !== false);
  const line: Line = { values: {}, behind: {}, help: raw.help };
  for (const { flag, value } of raw.flags) {
    const target = others.has(flag.arg) ? line.behind : line.values;
    if (flag.arg.type === "string" && flag.arg.multiple === true) {
      target[flag.key] = [...((target[flag.key] as string[] | undefined) ?? []), String(value)];
    } else {
      target[flag.key] = value;
    }
  }
  if (!raw.help) namePositionals(grammar.positionals, raw.positionals, typed, line.values);
  return line;
}

/** The values that a definition's `run` takes: those of the line, and the defaults. */
export function withDefaults<A extends Args>(args: A, values: Readonly<Record<string, unknown>>): Values<A> {
  const all: Record<string, unknown> = {};
  for (const key in args) all[key] = Object.hasOwn(values, key) ? values[key] : absentValue(args[key] as Arg);
  return all as Values<A>;
}

/** A command line as its definition understands it. */
export type Reading<A extends Args, G extends Args> = {
  args: Values<A>;
  given: ReadonlySet<string>;
  /** Flags of `behind` that were met, by key; without defaults. */
  behind: Partial<Values<G>>;
  help: boolean;
};

/** What the reader needs of a definition. */
export type Readable<A extends Args> = {
  readonly args: A;
  readonly interspersed?: boolean;
  readonly parsed?: boolean;
};

/** `readLine()` by a definition, typed and with defaults filled in. */
export function readArgs<const A extends Args, const G extends Args = Record<never, never>>(
  definition: Readable<A>,
  argv: readonly string[],
  typed = "proa",
  behind?: G,
): Reading<A, G> {
  const index = behind === undefined ? undefined : indexFlags(behind);
  const line = readLine(grammarIn(definition), argv, typed, index);
  return {
    args: withDefaults(definition.args, line.values),
    given: new Set(Object.keys(line.values)),
    behind: line.behind as Partial<Values<G>>,
    help: line.help,
  };
}

function absentValue(arg: Arg): unknown {
  switch (arg.type) {
    case "boolean":
      return arg.default ?? false;
    case "positional":
      return arg.rest === true ? [] : undefined;
    case "string":
      return arg.multiple === true ? [] : arg.default;
    case "int":
      return arg.default;
  }
}

/** The positionals of a definition, in order. */
export function positionalsOf(args: Args): [string, PositionalArg][] {
  return Object.entries(args).filter(
    (entry): entry is [string, PositionalArg] => entry[1].type === "positional",
  );
}

type Positionals = Grammar["positionals"];

function namePositionals(
  wanted: Positionals,
  words: readonly string[],
  typed: string,
  values: Record<string, unknown>,
): void {
  let at = 0;
  for (const [key, arg] of wanted) {
    if (at >= words.length) {
      if (arg.required !== false) throw tooFew(wanted, key, arg, typed);
      continue;
    }
    const taken = words.slice(at, arg.rest === true ? undefined : at + 1);
    const choices = choicesIn(arg.value);
    const wrong = choices.length === 0 ? undefined : taken.find((word) => !choices.includes(word));
    if (wrong !== undefined) {
      const name = arg.valueHint ?? key.toUpperCase();
      throw usageError(
        `invalid argument "${wrong}" for ${name}: ${oneOfThese(choices)}`,
        didYouMean(wrong, choices),
      );
    }
    values[key] = arg.rest === true ? taken : taken[0];
    at = arg.rest === true ? words.length : at + 1;
  }
  if (at < words.length) throw tooMany(wanted, words[at] ?? "", typed);
}

function tooFew(wanted: Positionals, key: string, arg: PositionalArg, typed: string): EngineError {
  const least = wanted.filter(([, each]) => each.required !== false).length;
  const open = wanted.some(([, each]) => each.required === false || each.rest === true);
  const name = arg.valueHint ?? key.toUpperCase();
  return usageError(
    `"${typed}" requires ${open ? "at least" : "exactly"} ${argumentsOf(least)}: no ${name} given`,
  );
}

function tooMany(wanted: Positionals, first: string, typed: string): EngineError {
  if (wanted.length === 0) return usageError(`"${typed}" accepts no arguments: "${first}" is one`);
  const exact = wanted.every(([, arg]) => arg.required !== false);
  const most = argumentsOf(wanted.length);
  return usageError(
    `"${typed}" requires ${exact ? "exactly" : "at most"} ${most}: "${first}" is one too many`,
  );
}

function argumentsOf(count: number): string {
  return count === 1 ? "1 argument" : `${count} arguments`;
}
