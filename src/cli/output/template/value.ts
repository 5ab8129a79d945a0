import { printableJson } from "../table";
import { quote } from "./literal";

/**
 * Values of a template. A plain object is a Go struct (a field that it lacks is an error), a `Map` is a Go map (a key that
 * it lacks is `<no value>`), a function is a method. `undefined` is "no value", `null` is nil.
 */
export type Value = unknown;

/** The nil slice and the nil map: empty when printed and ranged over, `null` as JSON. */
export const nilList: readonly never[] = Object.freeze([]);
export const nilMap: ReadonlyMap<string, never> = new Map<string, never>();

export type Struct = Record<string, unknown>;

export function isMap(value: Value): value is ReadonlyMap<string, Value> {
  return value instanceof Map;
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isStruct(value: Value): value is Struct {
  return typeof value === "object" && value !== null && !isMap(value) && !isList(value);
}

/** The entries of a map in Go's order for printing and ranging: by key. */
export function sortedEntries(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Go's truth: the zero value of each kind is false, and a struct is always true. */
export function isTrue(value: Value): boolean {
  if (isMap(value)) return value.size > 0;
  if (isList(value)) return value.length > 0;
  return Boolean(value);
}

/** The name of a value's type in Go, for error messages. */
export function typeName(value: Value): string {
  if (value === null || value === undefined) return "nil";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  if (typeof value === "bigint") return "int";
  if (typeof value === "string") return "string";
  if (typeof value === "function") return "func";
  if (isMap(value)) {
    const isOfStrings = value.size > 0 && [...value.values()].every((each) => typeof each === "string");
    return isOfStrings ? "map[string]string" : "map[string]interface {}";
  }
  if (!isList(value)) return "struct";
  return value.length > 0 && value.every((each) => typeof each === "string") ? "[]string" : "[]interface {}";
}

/** A value as Go's %v prints it. `quoted`: strings as %q does, for %#v-like places. */
export function print(value: Value, quoted = false): string {
  if (value === null || value === undefined) return "<nil>";
  if (typeof value === "string") return quoted ? quote(value) : value;
  if (typeof value === "number") return printNumber(value);
  if (isList(value)) return `[${value.map((each) => print(each, quoted)).join(" ")}]`;
  if (isMap(value)) {
    const parts = sortedEntries(value).map(
      ([key, each]) => `${quoted ? quote(key) : key}:${print(each, quoted)}`,
    );
    return `map[${parts.join(" ")}]`;
  }
  if (typeof value === "function") return "func";
  if (isStruct(value)) {
    const fields = Object.values(value).filter((each) => typeof each !== "function");
    return `{${fields.map((each) => print(each, quoted)).join(" ")}}`;
  }
  return String(value);
}

/** What an action writes: as %v, but a missing value is `<no value>`. */
export function printTop(value: Value): string {
  return value === undefined ? "<no value>" : print(value);
}

/** Whole numbers as integers, others as %v prints a float64: shortest, with an exponent below 1e-4 and from 1e6. */
export function printNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return String(BigInt(value));
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const size = Math.abs(value);
  return size < 1e-4 || size >= 1e6 ? exponent(value.toExponential()) : String(value);
}

/** Go writes at least two digits of exponent: 1e+21, 1e-05. */
export function exponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

/** A value as JSON, the way Go's encoder writes it without HTML escapes: keys of maps sorted, those of structs in order. */
export function toJson(value: Value, indent?: number): string {
  return printableJson(JSON.stringify(plain(value), undefined, indent) ?? "null");
}

function plain(value: Value): unknown {
  if (value === nilList || value === nilMap || value === undefined) return null;
  if (isMap(value)) return Object.fromEntries(sortedEntries(value).map(([key, each]) => [key, plain(each)]));
  if (isList(value)) return value.map(plain);
  if (isStruct(value)) {
    const fields = Object.entries(value).filter(
      ([, each]) => typeof each !== "function" && each !== undefined,
    );
    return Object.fromEntries(fields.map(([key, each]) => [key, plain(each)]));
  }
  return typeof value === "bigint" ? raw(value) : value;
}

/** A number of more digits than JavaScript's hold. */
const raw = (value: bigint): unknown =>
  (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(value));
