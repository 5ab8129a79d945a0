/** Passwords, tokens and keys are taken out of what may be read by somebody else. What looks like one is taken for one. */

const WORD = "[\\w.-]*(?:pass|pwd|token|secret|key|auth)[\\w.-]*";
// not an error's word; and what ends so is a path
const NAME = `(?<![\\w/.-])(?!unauthorized\\b|authentication\\b|authorization failed)(?![\\w.-]*[_-]files?\\b)${WORD}`;
const QUOTED = `"(?:[^"\\\\]|\\\\.)*"|'[^']*'`;
// a quotation mark ends it only where something ends behind it
const VALUE = `(?:[^\\s"']|["'](?![\\s,;\\]})]|$))+`;

const patterns: readonly [pattern: RegExp, by: string][] = [
  // http://name:password@host
  [/(\w:\/\/)[^\s/"']+@/g, "$1…@"],
  [/(\w:\/\/)[^\s/"'@:]+:(?!\d*\/)[^\s"']+@/g, "$1…@"],
  [/(^|[\s"'=,(])[^\s/"'=:@]+:(?!sha\d+:)[^\s/"'@]+@(?=[\w[])(?!sha\d+:)/gm, "$1…@"],
  // Authorization: Bearer X, and a token without its header
  [
    /\b((?:proxy-)?authorization["']?[ \t]*[=:][ \t]*["']?(?:basic|bearer|digest|token)[ \t]+)[^\s"']+/gi,
    "$1…",
  ],
  [/\b(bearer[ \t]+)[\w.~+/=-]{8,}/gi, "$1…"],
  // PASSWORD=X, "token": "X"
  [
    new RegExp(
      `(${NAME}["']?[ \\t]*[=:][ \\t]*)(?!(?:basic|bearer|digest|token) …)(${QUOTED}|${VALUE})`,
      "gi",
    ),
    "$1",
  ],
  // --password X, and in a list of words
  [new RegExp(`((?<![\\w-])--?(?![\\w-]*-files?\\b)${WORD}["']?[ \\t,]+)(${QUOTED}|${VALUE})`, "gi"), "$1"],
  [
    new RegExp(
      `(${"(?<![\\w/.-])"}(?:password|passwd|requirepass|masterauth)[ \\t]+)(${QUOTED}|${VALUE})`,
      "gi",
    ),
    "$1",
  ],
  // -u name:X, -pX
  [/((?<![\w-])(?:-u|--user|--creds)(?:[ \t=]+|["'], ?["']))(?!\d+:\d+\b)[^\s:"']+:[^\s"']+/g, "$1…"],
  [/((?<![\w-])-p)(?![\d.:[\]]+\b)[^\s"'-][^\s"']*/g, "$1…"],
];

/** A text without them. */
export function masked(text: string): string {
  let left = text;
  for (const [pattern, by] of patterns) {
    left =
      by === "$1"
        ? left.replace(pattern, (_all, before: string, value: string) => `${before}${inQuotes(value)}`)
        : left.replace(pattern, by);
  }
  return left;
}

/** The quotation marks of a value stay. */
function inQuotes(value: string): string {
  const [mark = ""] = value;
  return mark === '"' || mark === "'" ? `${mark}…${mark}` : "…";
}

const telling = new RegExp(WORD, "i");
const file = /[_-]?(file|path)s?$/i;

/** Is it the name of something secret? */
export function isTelling(name: string): boolean {
  return telling.test(name) && !file.test(name);
}
