import { commandNamed } from "./commands";
import type { CommandEntry, Grammar } from "./tree";

/** The program's name in usage lines and messages. */
export const program = "proa";

/** A command found by its words, and how many of them were its name. */
export type Found = { entry: CommandEntry; words: number };

/** Find the command that `words` begin with: the longest path or alias wins. */
export function findCommand(words: readonly string[]): Found | undefined {
  let name = "";
  let found: Found | undefined;
  for (let count = 1; count <= 3 && count <= words.length; count++) {
    name += count === 1 ? words[0] : ` ${words[count - 1]}`;
    const entry = commandNamed(name);
    if (entry !== undefined) found = { entry, words: count };
  }
  return found;
}

/** How the words behind a command are read. */
export async function grammarOf(entry: CommandEntry): Promise<Grammar> {
  if (entry.grammar !== undefined) return entry.grammar();
  const { grammarIn } = await import("./args");
  return grammarIn((await entry.load()).command);
}
