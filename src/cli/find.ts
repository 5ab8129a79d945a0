import { commands } from "./commands";
import type { CommandEntry, Grammar } from "./tree";

/** The program's name in usage lines and messages. */
export const program = "proa";

/** A command found by its words, and how many of them were its name. */
export type Found = { entry: CommandEntry; words: number };

/** Find the command that `words` begin with: the longest path or alias wins. */
export function findCommand(
  words: readonly string[],
  table: readonly CommandEntry[] = commands,
): Found | undefined {
  for (let count = Math.min(3, words.length); count > 0; count--) {
    const path = words.slice(0, count).join(" ");
    for (const entry of table)
      if (entry.path === path || entry.aliases.includes(path)) return { entry, words: count };
  }
  return undefined;
}

/** How the words behind a command are read. */
export async function grammarOf(entry: CommandEntry): Promise<Grammar> {
  return entry.grammar === undefined ? (await entry.load()).command : entry.grammar();
}
