/**
 * The grammars of commands apart from their definitions. What cannot be read is told, and the words of a command are completed, without loading all that the
 * command works with (`run`: 58 chunks, 6 ms). Several are in one module: each chunk of the executable costs every start some 0.7 µs, whether it loads it or not.
 */
import type { Arg } from "../src/cli/tree";

const ENTRY = /\{\s*path: ("[^"]+"),\s*aliases: (\[[^\]]*\]),\s*load: \(\) => (import\("[^"]+"\)),?\s*\}/g;
const MODULE_BYTES = 8000; // of a module; run's alone are more

/** An argument without its texts. */
function untold(arg: Arg): object {
  const { description, details, group, ...rest } = arg as Arg & Record<string, unknown>;
  return rest;
}

/** Grammars as JSON by the paths of their commands, a map for each module. */
async function readGrammars(): Promise<ReadonlyMap<string, string>[]> {
  const { commands } = await import("../src/cli/commands");
  const modules: Map<string, string>[] = [];
  let bytes = MODULE_BYTES;
  for (const { path, load } of commands) {
    const { args, interspersed, parsed } = (await load()).command;
    const untoldArgs = Object.fromEntries(Object.entries<Arg>(args).map(([key, arg]) => [key, untold(arg)]));
    const text = JSON.stringify({ args: untoldArgs, interspersed, parsed });
    if (bytes + text.length > MODULE_BYTES) {
      modules.push(new Map());
      bytes = 0;
    }
    modules.at(-1)?.set(path, text);
    bytes += text.length;
  }
  return modules;
}

let grammars: ReturnType<typeof readGrammars> | undefined;

/**
 * `src/cli/commands.ts` with the way to its grammar beside each definition. What leads to them are two switches in place of 350 functions, which every start would
 * make.
 */
export async function withGrammars(source: string): Promise<string> {
  grammars ??= readGrammars();
  const modules = await grammars;
  const definitions: string[] = [];
  const texts: string[] = [];
  const table = source.replace(ENTRY, (_, path: string, aliases: string, load: string) => {
    const number = modules.findIndex((each) => each.has(JSON.parse(path)));
    definitions.push(`case ${path}: return ${load};`);
    texts.push(`case ${path}: return import("grammar:${number}");`);
    return `new Entry(${path}, ${aliases})`;
  });
  const known = modules.reduce((sum, each) => sum + each.size, 0);
  if (definitions.length !== known)
    throw new Error(`commands.ts: ${known} commands, ${definitions.length} read`);
  return `class Entry {
  constructor(path, aliases) { this.path = path; this.aliases = aliases; }
  load() { return definitionAt(this.path); }
  async grammar() { return (await grammarsAt(this.path)).grammarOf(this.path); }
}
function definitionAt(path) { switch (path) { ${definitions.join(" ")} } }
function grammarsAt(path) { switch (path) { ${texts.join(" ")} } }
${table}`;
}

/** @param name `grammar:` and its number */
export async function grammarModule(name: string): Promise<string> {
  grammars ??= readGrammars();
  const texts = (await grammars)[Number(name.slice("grammar:".length))] ?? new Map();
  return `const texts = ${JSON.stringify(Object.fromEntries(texts))};
export const grammarOf = (path) => JSON.parse(texts[path]);`;
}
