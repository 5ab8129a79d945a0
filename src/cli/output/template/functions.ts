import { sprintf } from "./printf";
import { isList, isMap, isStruct, isTrue, print, toJson, typeName, type Value } from "./value";

/** A function of a template. Throws `Error` with the words that follow `error calling NAME: `. */
export type TemplateFunction = (...args: Value[]) => Value;

export type Functions = ReadonlyMap<string, TemplateFunction>;

function text(value: Value, what: string): string {
  if (typeof value !== "string")
    throw new Error(`wrong type for value; expected string; got ${typeName(value)} (${what})`);
  return value;
}

function count(value: Value): number {
  if (typeof value !== "number" || !Number.isInteger(value)) {
    throw new Error(`wrong type for value; expected int; got ${typeName(value)}`);
  }
  return value;
}

function arity(args: readonly Value[], wanted: number): void {
  if (args.length !== wanted) throw new Error(`wrong number of args: want ${wanted} got ${args.length}`);
}

/** A function of a fixed number of strings. */
const ofStrings = (wanted: number, run: (...args: string[]) => Value): TemplateFunction => {
  return (...args) => {
    arity(args, wanted);
    return run(...args.map((arg, at) => text(arg, `argument ${at + 1}`)));
  };
};

function join(list: Value, separator: Value): string {
  if (!isList(list)) throw new Error(`wrong type for value; expected []string; got ${typeName(list)}`);
  return list.map((each) => print(each)).join(text(separator, "separator"));
}

function index(value: Value, ...keys: Value[]): Value {
  let at = value;
  for (const key of keys) {
    if (at === undefined || at === null) throw new Error("index of untyped nil");
    if (isList(at) || typeof at === "string") {
      const position = count(key);
      if (position < 0 || position >= at.length) throw new Error(`index out of range: ${position}`);
      at = at[position];
    } else if (isMap(at)) {
      const name = text(key, "map key");
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
  const [from = 0, to = value.length] = bounds.map(count);
  for (const bound of [from, to]) {
    if (bound < 0 || bound > value.length) throw new Error(`index out of range: ${bound}`);
  }
  if (from > to) throw new Error(`invalid slice index: ${from} > ${to}`);
  return value.slice(from, to);
}

function length(value: Value): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (isList(value)) return value.length;
  if (isMap(value)) return value.size;
  throw new Error(`len of type ${typeName(value)}`);
}

function comparable(a: Value, b: Value): void {
  const kinds = [a, b].map((value) => (value == null ? "nil" : typeof value));
  if (kinds.includes("object")) throw new Error("non-comparable type");
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

const escapes: Record<string, string> = {
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
    /(^|[^\p{L}\p{Nd}_'])(\p{L})/gu,
    (_all, before: string, letter: string) => before + letter.toUpperCase(),
  );
}

function truncate(value: Value, most: Value): string {
  const letters = [...text(value, "value")];
  return letters.slice(0, Math.max(0, count(most))).join("");
}

function pad(value: Value, before: Value, after: Value): string {
  const source = text(value, "value");
  return source === "" ? source : " ".repeat(count(before)) + source + " ".repeat(count(after));
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
  ["printf", (format, ...args) => sprintf(text(format, "format"), args)],
  ["html", (...args) => sprint(...args).replace(/[<>&"']/g, (char) => escapes[char] ?? char)],
  ["urlquery", (...args) => encodeURIComponent(sprint(...args)).replaceAll("%20", "+")],
  ["js", (...args) => escapeJs(sprint(...args))],
  ["call", call],
  ["json", (value) => toJson(value)],
  ["join", join],
  ["split", ofStrings(2, (value, separator) => value.split(separator ?? ""))],
  ["lower", ofStrings(1, (value) => value.toLowerCase())],
  ["upper", ofStrings(1, (value) => value.toUpperCase())],
  ["title", ofStrings(1, title)],
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
