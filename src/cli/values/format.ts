/** Go templates of `--format`: the field under the cursor, by what the command prints. */
import type { Candidate, CompletionRequest, Provider } from "./candidates";

/** Functions that begin a pipeline, with the dot of the field that they are for. */
const FUNCTIONS = [
  "json",
  "len",
  "lower",
  "upper",
  "title",
  "join",
  "index",
  "slice",
  "split",
  "eq",
  "ne",
  "and",
  "or",
  "print",
  "println",
  "range",
  "with",
  "if",
  "not",
];

/** Functions that take nothing but a value. */
const OF_ONE = ["json", "len", "lower", "upper", "title", "println", "not"];

/** @param words that stand for a whole format */
export function formatValues(words: readonly string[]): Provider {
  return async (request: CompletionRequest) => {
    const fields = await request.fields();
    const { prefix } = request;
    const begin = prefix.lastIndexOf("{{");
    if (begin < 0 || prefix.indexOf("}}", begin) >= 0) {
      const whole = words.map((value) => ({ value }));
      const isTable = /^table\s+$/.test(prefix) && words.includes("table");
      if (prefix !== "" && !isTable && !words.some((word) => word.startsWith(prefix))) return [];
      return prefix === ""
        ? [...whole, ...fieldsBehind("{{", "", fields)]
        : isTable
          ? fieldsBehind(`${prefix}{{`, "", fields)
          : whole;
    }
    const action = prefix.slice(begin + 2);
    const typed = /(?:^|[\s(|])((?:\.[A-Za-z0-9_]*)+)$/.exec(action)?.[1];
    if (typed !== undefined)
      return fieldsBehind(prefix.slice(0, prefix.length - typed.length), typed, fields);
    const word = /(?:^|[\s(|])([a-z]*)$/.exec(action)?.[1];
    if (word === undefined) return [];
    const head = prefix.slice(0, prefix.length - word.length);
    // behind a stage of the pipeline that stage's value is the argument
    const functions = /\|\s*$/.test(head)
      ? OF_ONE.map((name): Candidate => ({ value: `${head}${name}}}` }))
      : FUNCTIONS.map((name): Candidate => ({ value: `${head}${name} .`, isOpen: true }));
    const end = /\{\{-?\s*$/.test(head) ? [{ value: `${head}end}}` }] : []; // it stands alone
    return word === "" ? fieldsBehind(head, "", fields) : [...functions, ...end];
  };
}

/** The next name of each path of fields that begins as typed, closed where it is the last. */
function fieldsBehind(head: string, typed: string, fields: readonly string[]): Candidate[] {
  const parents = typed.slice(0, typed.lastIndexOf(".") + 1) || ".";
  const isNested =
    (head.slice(head.lastIndexOf("{{")).match(/\(/g)?.length ?? 0) >
    (head.slice(head.lastIndexOf("{{")).match(/\)/g)?.length ?? 0);
  const found = new Map<string, Candidate>();
  for (const field of fields) {
    const path = `.${field}`;
    if (!path.startsWith(parents)) continue;
    const next = path.indexOf(".", parents.length);
    const value = head + (next < 0 ? `${path}${isNested ? "" : "}}"}` : path.slice(0, next + 1));
    found.set(value, next < 0 ? { value } : { value, isOpen: true });
  }
  return [...found.values()];
}
