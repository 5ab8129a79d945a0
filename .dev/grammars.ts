/**
 * The grammars of commands apart from their definitions. What cannot be read is told, and the words of a command are completed, without loading all that the
 * command works with (`run`: 58 chunks, 6 ms). Several are in one module: each chunk of the executable costs every start some 0.7 µs, whether it loads it or not.
 */
import { join } from "node:path";
import type { Arg } from "../src/cli/tree";

const ENTRY = /\{\s*path: ("[^"]+"),\s*aliases: (\[[^\]]*\]),\s*load: \(\) => import\("([^"]+)"\),?\s*\}/g;
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

/** What leads to the definition of each command in `commands.ts`: an import, from the directory that it lies in. */
const loads = new Map<string, string>();

/**
 * `src/cli/commands.ts` with a module's number in place of the way to each definition. The module knows it, and the grammars: 350 functions, or two switches with
 * 170 cases, would be made by every start.
 *
 * @param cli the directory of `commands.ts`
 */
export async function withGrammars(source: string, cli: string): Promise<string> {
  grammars ??= readGrammars();
  const modules = await grammars;
  const table = source.replace(ENTRY, (_, path: string, aliases: string, file: string) => {
    loads.set(JSON.parse(path), `import(${JSON.stringify(join(cli, `${file}.ts`))})`);
    return `new Entry(${path}, ${aliases}, ${modules.findIndex((each) => each.has(JSON.parse(path)))})`;
  });
  const known = modules.reduce((sum, each) => sum + each.size, 0);
  if (loads.size !== known) throw new Error(`commands.ts: ${known} commands, ${loads.size} read`);
  return `class Entry {
  constructor(path, aliases, module) { this.path = path; this.aliases = aliases; this.module = module; }
  async load() { return (await moduleAt(this.module)).definitionOf(this.path); }
  async grammar() { return (await moduleAt(this.module)).grammarOf(this.path); }
}
function moduleAt(number) {
  switch (number) { ${modules.map((_, number) => `case ${number}: return import("grammar:${number}");`).join(" ")} }
}
${table}`;
}

/** @param name `grammar:` and its number; asked for when `commands.ts` has been read */
export async function grammarModule(name: string): Promise<string> {
  grammars ??= readGrammars();
  const texts = (await grammars)[Number(name.slice("grammar:".length))] ?? new Map<string, string>();
  const cases = [...texts.keys()].map((path) => `case ${JSON.stringify(path)}: return ${loads.get(path)};`);
  return `const texts = ${JSON.stringify(Object.fromEntries(texts))};
export const grammarOf = (path) => JSON.parse(texts[path]);
export function definitionOf(path) { switch (path) { ${cases.join(" ")} } }`;
}
