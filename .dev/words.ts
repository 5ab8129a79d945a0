/**
 * The texts of commands' definitions, apart from them. Help, man pages and completions are made of them, and a command that runs loads a
 * definition only to read its arguments: there the build leaves a number in place of each text, and the texts themselves become
 * `src/cli/words.ts`, which `catalogue.ts` puts back in. In the directories below `src/cli/` nothing but a definition has a text under these names.
 * (`run` has 170 options and 20 KB of texts.)
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const TEXT = /\b(description|details|does|meaning):\s*("(?:[^"\\\n]|\\.)*")/g;

export type Words = {
  /** The source of a module of definitions with numbers for its texts. */
  numbered(file: string, source: string): string;
  /** What stands in `words.ts`. */
  module: string;
};

/** @param cli the directory whose subdirectories hold the definitions */
export function wordsOf(cli: string): Words {
  const numbers = new Map<string, number>();
  const isDefinition = (file: string): boolean =>
    file.startsWith(`${cli}/`) && file.slice(cli.length + 1).includes("/");
  for (const name of (readdirSync(cli, { recursive: true }) as string[]).sort()) {
    if (!name.endsWith(".ts") || !isDefinition(join(cli, name))) continue;
    for (const [, , text = ""] of readFileSync(join(cli, name), "utf8").matchAll(TEXT))
      if (!numbers.has(text)) numbers.set(text, numbers.size);
  }
  return {
    numbered: (file, source) =>
      isDefinition(file)
        ? source.replace(TEXT, (_, key: string, text: string) => `${key}: ${numbers.get(text)}`)
        : source,
    module: `export const words = [${[...numbers.keys()].join(",")}];`,
  };
}
