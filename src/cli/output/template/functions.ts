import { sprintf } from "./printf";
import { isList, isMap, isStruct, isTrue, print, toJson, typeName, type Value } from "./value";

/** A function of a template. Throws `Error` with the words that follow `error calling NAME: `. */
export type TemplateFunction = (...args: Value[]) => Value;

export type Functions = ReadonlyMap<string, TemplateFunction>;

/** An argument of a type that the function does not take. */
export class ArgumentError extends Error {
  override name = "ArgumentError";

  constructor(
    /** Of the argument, from 0. */
    readonly position: number,
    private readonly wanted: string,
    value: Value,
  ) {
    super(`wrong type for value; expected ${wanted}; got ${typeName(value)}`);
  }

  /** What Go says where the argument was written in the template. */
  ofLiteral(source: string): string {
    return this.wanted.startsWith("[]")
      ? `can't handle ${source} for arg of type ${this.wanted}`
      : `expected ${this.wanted === "int" ? "integer" : this.wanted}; found ${source}`;
  }
}

/** How many arguments a function takes, where that is not as many as one likes. */
const arities: Record<string, number | { atLeast: number }> = {
  ...{ not: 1, len: 1, json: 1, lower: 1, upper: 1, title: 1 },
  ...{ ne: 2, lt: 2, le: 2, gt: 2, ge: 2, join: 2, split: 2, truncate: 2, pad: 3 },
  ...{ and: { atLeast: 1 }, or: { atLeast: 1 }, index: { atLeast: 1 }, slice: { atLeast: 1 } },
  ...{ eq: { atLeast: 1 }, printf: { atLeast: 1 }, call: { atLeast: 1 } },
};

/** What is wrong with so many arguments. */
export function arityError(name: string, got: number): string | undefined {
  const wanted = Object.hasOwn(arities, name) ? arities[name] : undefined;
  if (wanted === undefined) return undefined;
  if (typeof wanted === "number")
    return got === wanted ? undefined : `wrong number of args for ${name}: want ${wanted} got ${got}`;
  if (got >= wanted.atLeast) return undefined;
  return `wrong number of args for ${name}: want at least ${wanted.atLeast} got ${got}`;
}

function text(value: Value, position: number): string {
  if (typeof value !== "string") throw new ArgumentError(position, "string", value);
  return value;
}

function count(value: Value, position: number): number {
  if (typeof value !== "number" || !Number.isInteger(value)) throw new ArgumentError(position, "int", value);
  return value;
}

/** A position in a list or text. */
function position(value: Value): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new Error(`cannot index slice/array with ${value == null ? "nil" : `type ${typeName(value)}`}`);
}

/** A function of strings. */
const ofStrings = (run: (...args: string[]) => Value): TemplateFunction => {
  return (...args) => run(...args.map(text));
};

function join(list: Value, separator: Value): string {
  if (!isList(list)) throw new ArgumentError(0, "[]string", list);
  return list.map((each) => print(each)).join(text(separator, 1));
}

function index(value: Value, ...keys: Value[]): Value {
  let at = value;
  for (const key of keys) {
    if (at === undefined || at === null) throw new Error("index of untyped nil");
    if (isList(at) || typeof at === "string") {
      const items = isList(at) ? at : Buffer.from(at); // an item of a string is a byte
      const where = position(key);
      if (where < 0 || where >= items.length) throw new Error(`index out of range: ${where}`);
      at = items[where];
    } else if (isMap(at)) {
      if (typeof key !== "string") throw new Error(`value has type ${typeName(key)}; should be string`);
      const name = key;
      at = at.has(name) ? at.get(name) : zeroOf(at);
    } else if (isStruct(at) && typeof key === "string") {
      at = Object.hasOwn(at, key) ? at[key] : undefined;
    } else {
      throw new Error(`can't index item of type ${typeName(at)}`);
    }
  }
  return at;
}

/** What Go's index gives for an absent key: the zero value of the map's values, "" in a map of strings. */
function zeroOf(map: ReadonlyMap<string, Value>): Value {
  for (const value of map.values()) return typeof value === "string" ? "" : undefined;
  return "";
}

function slice(value: Value, ...bounds: Value[]): Value {
  if (!isList(value) && typeof value !== "string")
    throw new Error(`can't slice item of type ${typeName(value)}`);
  if (bounds.length > 3) throw new Error(`too many slice indexes: ${bounds.length}`);
  if (bounds.length === 3 && !isList(value)) throw new Error("cannot 3-index slice a string");
  const items = isList(value) ? value : Buffer.from(value);
  const [from = 0, to = items.length, end = to] = bounds.map(position);
  for (const bound of [from, to, end]) {
    if (bound < 0 || bound > items.length) throw new Error(`index out of range: ${bound}`);
  }
  if (from > to) throw new Error(`invalid slice index: ${from} > ${to}`);
  if (to > end) throw new Error(`invalid slice index: ${to} > ${end}`);
  return isList(value) ? value.slice(from, to) : Buffer.from(value).toString("utf8", from, to);
}

function length(value: Value): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (isList(value)) return value.length;
  if (isMap(value)) return value.size;
  if (value == null) throw new Error("len of nil pointer");
  throw new Error(`len of type ${typeName(value)}`);
}

function comparable(a: Value, b: Value): void {
  const kinds = [a, b].map((value) => (value == null ? "nil" : typeof value));
  const odd = [a, b].find((value) => typeof value === "object" && value !== null);
  if (odd !== undefined) throw new Error(`non-comparable type ${print(odd)}: ${typeName(odd)}`);
  if (kinds[0] !== kinds[1] && !kinds.includes("nil")) throw new Error("incompatible types for comparison");
}

function equal(first: Value, ...others: Value[]): boolean {
  if (others.length === 0) throw new Error("missing argument for comparison");
  return others.some((other) => {
    comparable(first, other);
    return (first ?? null) === (other ?? null);
  });
}

function less(a: Value, b: Value): boolean {
  comparable(a, b);
  if (typeof a === "string" && typeof b === "string")
    return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
  if (typeof a === "number" && typeof b === "number") return a < b;
  throw new Error("invalid type for comparison");
}

/** fmt.Sprint puts a space between operands when neither is a string. */
function sprint(...values: Value[]): string {
  let out = "";
  for (const [at, value] of values.entries()) {
    if (at > 0 && typeof value !== "string" && typeof values[at - 1] !== "string") out += " ";
    out += print(value);
  }
  return out;
}

/** As url.QueryEscape of Go: JavaScript leaves five marks more. */
function queryEscape(value: string): string {
  return encodeURIComponent(value)
    .replaceAll("%20", "+")
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Letter by letter: Go makes no two of one. */
function upper(value: string): string {
  return [...value]
    .map((char) => ([...char.toUpperCase()].length === 1 ? char.toUpperCase() : char))
    .join("");
}

const escapes: Record<string, string> = {
  "\0": "\ufffd",
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  '"': "&#34;",
  "'": "&#39;",
};

/** Text as it may stand between quotes of JavaScript. */
function escapeJs(value: string): string {
  return value.replace(/[\\'"]|[<>&=\p{C}\p{Zl}\p{Zp}]/gu, (char) =>
    /[\\'"]/.test(char)
      ? `\\${char}`
      : [...char]
          .map((each) => `\\u${(each.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`)
          .join(""),
  );
}

function call(run: Value, ...args: Value[]): Value {
  if (typeof run !== "function") throw new Error(`non-function of type ${typeName(run)}`);
  return run(...args);
}

/** Upper case at the start of each word, as docker's `title`. */
function title(value: string): string {
  return value.replace(
    /(^|[^\p{L}\p{Nd}_])(\p{L})/gu,
    (_all, before: string, letter: string) => before + letter.toUpperCase(),
  );
}

function truncate(value: Value, most: Value): string {
  const letters = [...text(value, 0)];
  const kept = count(most, 1);
  if (kept < 0) throw new Error(`runtime error: slice bounds out of range [:${kept}]`);
  return letters.slice(0, kept).join("");
}

function pad(value: Value, before: Value, after: Value): string {
  const source = text(value, 0);
  const [left, right] = [count(before, 1), count(after, 2)];
  if (source === "") return source;
  if (left < 0 || right < 0) throw new Error("strings: negative Repeat count");
  return " ".repeat(left) + source + " ".repeat(right);
}

/** The functions of text/template and those that docker adds. `and` and `or` are evaluated by the executor, lazily. */
export const standardFunctions: Functions = new Map<string, TemplateFunction>([
  ["and", (...args) => args.find((arg) => !isTrue(arg)) ?? args.at(-1)],
  ["or", (...args) => args.find(isTrue) ?? args.at(-1)],
  ["not", (value) => !isTrue(value)],
  ["len", length],
  ["index", index],
  ["slice", slice],
  ["eq", equal],
  ["ne", (a, b) => !equal(a, b)],
  ["lt", less],
  ["le", (a, b) => less(a, b) || equal(a, b)],
  ["gt", (a, b) => !less(a, b) && !equal(a, b)],
  ["ge", (a, b) => !less(a, b)],
  ["print", sprint],
  ["println", (...args) => `${args.map((arg) => print(arg)).join(" ")}\n`],
  ["printf", (format, ...args) => sprintf(text(format, 0), args)],
  ["html", (...args) => sprint(...args).replace(/[\0<>&"']/g, (char) => escapes[char] ?? char)],
  ["urlquery", (...args) => queryEscape(sprint(...args))],
  ["js", (...args) => escapeJs(sprint(...args))],
  ["call", call],
  ["json", (value) => toJson(value)],
  ["join", join],
  [
    "split",
    ofStrings((value = "", separator = "") => (separator === "" ? [...value] : value.split(separator))),
  ],
  ["lower", ofStrings((value = "") => value.toLowerCase())],
  ["upper", ofStrings((value = "") => upper(value))],
  ["title", ofStrings((value = "") => title(value))],
  ["pad", pad],
  ["truncate", truncate],
]);

const same: TemplateFunction = (value) => value;

/** For the header line of a table, where the values are column titles: what would change a title leaves it alone. */
export const headerFunctions: Functions = new Map<string, TemplateFunction>([
  ...standardFunctions,
  ["json", same],
  ["lower", same],
  ["upper", same],
  ["title", same],
  ["truncate", same],
  ["join", same],
  ["split", (value) => [value]],
]);
