import { EngineError } from "../../error";
import { usageError } from "../args";
import { didYouMean } from "../suggest";

/** What `--filter` asked for: the values of each key, in order. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/**
 * Read the values of `--filter KEY=VALUE`.
 *
 * @param allowed the keys of the command
 * @throws usage for a filter without `=` and for an unknown key
 */
export function parseFilters(texts: readonly string[], allowed: readonly string[]): Filters {
  const filters = new Map<string, string[]>();
  for (const text of texts) {
    const equals = text.indexOf("=");
    if (equals < 1)
      throw usageError(`invalid filter "${text}": expected KEY=VALUE`, `keys: ${allowed.join(", ")}`);
    const key = text.slice(0, equals).trim().toLowerCase();
    if (!allowed.includes(key)) {
      throw usageError(`invalid filter "${key}"`, didYouMean(key, allowed) ?? `keys: ${allowed.join(", ")}`);
    }
    filters.set(key, [...(filters.get(key) ?? []), text.slice(equals + 1)]);
  }
  return filters;
}

/** Keys of which every value must hold; of the others, one is enough. */
const everyValue = new Set(["label", "label!"]);

/**
 * Whether something passes: for each key that was asked for, one of its values holds (of labels each).
 *
 * @param tests for each key, whether the thing has that value
 */
export function passesFilters(
  filters: Filters,
  tests: Readonly<Record<string, (value: string) => boolean>>,
): boolean {
  for (const [key, values] of filters) {
    const test = Object.hasOwn(tests, key) ? tests[key] : undefined;
    if (test === undefined) continue; // a key that the caller has already applied
    if (!(everyValue.has(key) ? values.every(test) : values.some(test))) return false;
  }
  return true;
}

/** Whether labels have `KEY` or `KEY=VALUE`. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf("=");
  if (equals < 0) return Object.hasOwn(labels, wanted);
  const key = wanted.slice(0, equals);
  return Object.hasOwn(labels, key) && labels[key] === wanted.slice(equals + 1);
}

/** docker takes the value as a regular expression that may match anywhere. */
export function matchesName(name: string, value: string): boolean {
  try {
    return new RegExp(value).test(name);
  } catch (error) {
    throw new EngineError("invalid", "filter", `name=${value}`, error);
  }
}

/** The value of a filter that is so or not, in Go's spellings. Throws `invalid`. */
export function isTrue(key: string, value: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw new EngineError("invalid", "filter", `${key}=${value}`, "expected true or false");
}
