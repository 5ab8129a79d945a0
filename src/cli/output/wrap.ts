/** Sentences on a terminal: lines that end between words. */
import { displayWidth } from "./table";

/** The text in lines of `width` columns; a word that is wider than that has a line of its own, and stays whole. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && displayWidth(line) + 1 + displayWidth(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
