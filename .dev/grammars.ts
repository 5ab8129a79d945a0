/**
 * The grammars of commands apart from their definitions. What cannot be read is told, and the words of a command are completed, without loading all that the
 * command works with (`run`: 58 chunks, 6 ms). Several are in one module: each chunk of the executable costs every start some 0.7 µs, whether it loads it or not.
 */
import { join } from "node:path";
import { flagText } from "../src/cli/flag-text";
import type { Arg, Args } from "../src/cli/tree";

const ENTRY = /\{\s*path: ("[^"]+"),\s*aliases: (\[[^\]]*\]),\s*load: \(\) => import\("([^"]+)"\),?\s*\}/g;
const NOUNS = /^export const nouns[\s\S]*/m; // the last of the file
const MODULE_BYTES = 8000; // of a module; run's alone are more

/** An argument without its texts. */
function untold(arg: Arg): Arg {
  const { description, details, group, ...rest } = arg as Arg & Record<string, unknown>;
  return rest as Arg;
}

/** A grammar but for its flags as JSON, and those as text. */
type Written = readonly [rest: string, flags: string];

/** The grammars by the paths of their commands, a map for each module. */
async function readGrammars(): Promise<ReadonlyMap<string, Written>[]> {
  const { allCommands } = await import("../src/cli/commands");
  const modules: Map<string, Written>[] = [];
  let bytes = MODULE_BYTES;
  for (const { path, load } of allCommands()) {
    const { args, interspersed, parsed } = (await load()).command;
    const told = Object.entries<Arg>(args).map(([key, arg]) => [key, untold(arg)] as const);
    const positionals = told.filter(([, arg]) => arg.type === "positional");
    const rest = JSON.stringify({ positionals, interspersed, parsed });
    const flags = flagText(Object.fromEntries(told) as Args);
    if (bytes + rest.length + flags.length > MODULE_BYTES) {
      modules.push(new Map());
      bytes = 0;
    }
    modules.at(-1)?.set(path, [rest, flags]);
    bytes += rest.length + flags.length;
  }
  return modules;
}

let grammars: ReturnType<typeof readGrammars> | undefined;

/** What leads to the definition of each command in `commands.ts`: an import, from the directory that it lies in. */
const loads = new Map<string, string>();

/**
 * `src/cli/commands.ts` with its table as text: a line for each command, a tab on both sides of each of its names, and the number of its module, which knows the way
 * to the definition, and the grammar. An entry is made when it is asked for: 170 of them would be made by every start, and 350 functions.
 *
 * @param cli the directory of `commands.ts`
 */
export async function withGrammars(source: string, cli: string): Promise<string> {
  grammars ??= readGrammars();
  const modules = await grammars;
  let table = "\n";
  for (const [, path = "", aliases = "", file] of source.matchAll(ENTRY)) {
    loads.set(JSON.parse(path), `import(${JSON.stringify(join(cli, `${file}.ts`))})`);
    const names = [JSON.parse(path), ...JSON.parse(aliases.replace(/,\s*\]$/, "]"))];
    table += `\t${names.join("\t")}\t${modules.findIndex((each) => each.has(JSON.parse(path)))}\n`;
  }
  const [nouns] = NOUNS.exec(source) ?? [];
  if (nouns === undefined) throw new Error("commands.ts: no nouns");
  const known = modules.reduce((sum, each) => sum + each.size, 0);
  if (loads.size !== known) throw new Error(`commands.ts: ${known} commands, ${loads.size} read`);
  return `const table = ${JSON.stringify(table)};
class Entry {
  constructor(line) {
    const [, path, ...rest] = line.split("\\t");
    this.module = Number(rest.pop());
    this.path = path;
    this.aliases = rest;
  }
  async load() { return (await moduleAt(this.module)).definitionOf(this.path); }
  async grammar() { return (await moduleAt(this.module)).grammarOf(this.path); }
}
function moduleAt(number) {
  switch (number) { ${modules.map((_, number) => `case ${number}: return import("grammar:${number}");`).join(" ")} }
}
let all;
export function allCommands() {
  all ??= table.slice(1, -1).split("\\n").map((line) => new Entry(line));
  return all;
}
export function allNames() {
  const names = [];
  for (let at = 1; at < table.length; at = table.indexOf("\\n", at) + 1) {
    const end = table.lastIndexOf("\\t", table.indexOf("\\n", at));
    for (let tab = at; tab < end; ) {
      const next = table.indexOf("\\t", tab + 1);
      names.push(table.slice(tab + 1, next));
      tab = next;
    }
  }
  return names;
}
export function commandNamed(name) {
  const at = table.indexOf(\`\\t\${name}\\t\`);
  if (at < 0 || name.includes("\\n")) return undefined;
  const entry = new Entry(table.slice(table.lastIndexOf("\\n", at) + 1, table.indexOf("\\n", at)));
  return entry.path === name || entry.aliases.includes(name) ? entry : undefined;
}
${nouns}`;
}

/** @param name `grammar:` and its number; asked for when `commands.ts` has been read */
export async function grammarModule(name: string): Promise<string> {
  grammars ??= readGrammars();
  const texts = (await grammars)[Number(name.slice("grammar:".length))] ?? new Map<string, Written>();
  const cases = [...texts.keys()].map((path) => `case ${JSON.stringify(path)}: return ${loads.get(path)};`);
  return `import { flagsIn } from ${JSON.stringify(join(import.meta.dir, "../src/cli/flag-text.ts"))};
const texts = ${JSON.stringify(Object.fromEntries(texts))};
export function grammarOf(path) {
  const [rest, flags] = texts[path];
  const grammar = JSON.parse(rest);
  grammar.flags = flagsIn(flags);
  return grammar;
}
export function definitionOf(path) { switch (path) { ${cases.join(" ")} } }`;
}
