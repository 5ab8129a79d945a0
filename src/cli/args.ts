import { EngineError } from "../error";
import { didYouMean } from "./suggest";
import type { Arg, Args, FlagArg, PositionalArg, ValueKind, Values } from "./tree";

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

type Flag = { key: string; arg: FlagArg };

/** The flags of a definition, found by their names. */
export type FlagIndex = {
  long(name: string): Flag | undefined;
  short(letter: string): Flag | undefined;
  /** The names that are shown. */
  names(): string[];
};

/**
 * Find the flags of `args`; of `behind` those whose names `args` leaves free. Nothing is indexed: of the 170 flags of `run` a command line has
 * a few, and a map of them all costs 0.3 ms.
 */
export function indexFlags(args: Args, behind: Args = {}): FlagIndex {
  const sources = [args, behind];
  const find = (isMeant: (arg: FlagArg) => boolean | undefined): Flag | undefined => {
    for (const source of sources) {
      for (const key in source) {
        const arg = source[key];
        if (arg !== undefined && arg.type !== "positional" && isMeant(arg)) return { key, arg };
      }
    }
    return undefined;
  };
  return {
    long: (name) => {
      for (const source of sources) {
        const arg = Object.hasOwn(source, name) ? source[name] : undefined;
        if (arg !== undefined && arg.type !== "positional") return { key: name, arg };
      }
      return find((arg) => arg.hiddenNames?.includes(name));
    },
    short: (letter) => find((arg) => arg.alias === letter),
    names: () => {
      const names: string[] = [];
      for (const source of sources)
        for (const key in source) {
          const arg = source[key];
          if (arg !== undefined && arg.type !== "positional" && arg.hidden !== true) names.push(key);
        }
      return names;
    },
  };
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

/** A command line as its definition understands it. */
export type Reading<A extends Args, G extends Args> = {
  args: Values<A>;
  given: ReadonlySet<string>;
  /** Flags of `behind` that were met, by key; without defaults. */
  behind: Partial<Values<G>>;
  help: boolean;
};

/** What the reader needs of a definition. */
export type Readable<A extends Args> = { readonly args: A; readonly interspersed?: boolean };

/**
 * Read the words behind a command's name.
 *
 * @param typed the command as it was typed, for messages: "proa run"
 * @param behind the global options, accepted where the command has no flag of that name
 * @returns typed values with defaults filled in; with `help` set nothing was checked
 * @throws `usage` for an unknown flag, a value that does not fit, too few or too many positionals
 */
export function readArgs<const A extends Args, const G extends Args = Record<never, never>>(
  definition: Readable<A>,
  argv: readonly string[],
  typed = "proa",
  behind?: G,
): Reading<A, G> {
  const index = indexFlags(definition.args, behind);
  const raw = readFlags(argv, index, definition.interspersed !== false);
  const values: Record<string, unknown> = {};
  const behindValues: Record<string, unknown> = {};
  const given = new Set<string>();
  const positionals: [string, PositionalArg][] = [];
  for (const key in definition.args) {
    const arg = definition.args[key] as Arg;
    values[key] = absentValue(arg);
    if (arg.type === "positional") positionals.push([key, arg]);
  }
  for (const { flag, value } of raw.flags) {
    const own = definition.args[flag.key] === flag.arg;
    const target = own ? values : behindValues;
    if (own) given.add(flag.key);
    if (flag.arg.type === "string" && flag.arg.multiple === true) {
      target[flag.key] = [...((target[flag.key] as string[] | undefined) ?? []), String(value)];
    } else {
      target[flag.key] = value;
    }
  }
  if (!raw.help) namePositionals(positionals, raw.positionals, typed, values, given);
  return {
    args: values as Values<A>,
    given,
    behind: behindValues as Partial<Values<G>>,
    help: raw.help,
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

function namePositionals(
  wanted: [string, PositionalArg][],
  words: readonly string[],
  typed: string,
  values: Record<string, unknown>,
  given: Set<string>,
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
    given.add(key);
    values[key] = arg.rest === true ? taken : taken[0];
    at = arg.rest === true ? words.length : at + 1;
  }
  if (at < words.length) throw tooMany(wanted, words[at] ?? "", typed);
}

function tooFew(
  wanted: [string, PositionalArg][],
  key: string,
  arg: PositionalArg,
  typed: string,
): EngineError {
  const least = wanted.filter(([, each]) => each.required !== false).length;
  const open = wanted.some(([, each]) => each.required === false || each.rest === true);
  const name = arg.valueHint ?? key.toUpperCase();
  return usageError(
    `"${typed}" requires ${open ? "at least" : "exactly"} ${argumentsOf(least)}: no ${name} given`,
  );
}

function tooMany(wanted: [string, PositionalArg][], first: string, typed: string): EngineError {
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
