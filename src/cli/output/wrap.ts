/** Sentences on a terminal: lines that end between words. */
import { displayWidth } from "./table";

/**
 * The text in lines of `width` columns, the first one of `first`; a word that is wider than that has a line of its own, and stays
 * whole.
 */
export function wrapWords(text: string, width: number, first = width): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const room = lines.length === 0 ? first : width;
    if (line !== "" && displayWidth(line) + 1 + displayWidth(word) > room) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

const LEAST_WIDTH = 20; // a text that would have less beside its head goes on below it
const SHALLOW = 2;

/**
 * The lines of one entry of a list "key: value": `head`, which may be indented, and the value from column `indent` on, in its further lines, too. Where a
 * terminal leaves too little for that, the value follows the head at once, and goes on two columns farther in than the head. What is wider than a
 * line by itself (a path) stays whole on a line of its own: it is copied from here.
 *
 * @param columns of the terminal; undefined: a pipe, where nothing is wrapped
 */
export function hangingLines(head: string, text: string, indent: number, columns?: number): string[] {
  const key = head.trimEnd();
  const padded = key.padEnd(key.length + Math.max(1, indent - displayWidth(key)));
  if (columns === undefined || displayWidth(padded + text) <= columns) return [(padded + text).trimEnd()];
  const room = columns - indent;
  if (room >= LEAST_WIDTH && displayWidth(padded) === indent) {
    const lines = wrapWords(text, room);
    if (lines.every((line) => displayWidth(line) <= room))
      return lines.map((line, at) => (at === 0 ? padded : " ".repeat(indent)) + line);
  }
  const bare = key.trimStart();
  const lead = key.length - bare.length;
  const [first = "", ...rest] = wrapWords(`${bare} ${text}`, columns - lead - SHALLOW, columns - lead);
  return [" ".repeat(lead) + first, ...rest.map((line) => " ".repeat(lead + SHALLOW) + line)];
}
