/**
 * Which modules each command loads before it does anything: `test/build/loads.txt`, made from the chunks that the build makes. What a command
 * imports in a function is loaded when it is needed and does not count. A new import shows up there, in every command that pays for it.
 *
 *   loads.ts           write the table
 *   loads.ts --check   compare it with the tree; says what has changed, and fails
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { allCommands } from "../src/cli/commands";
import { staticAddon } from "./addon";
import { throughFaces } from "./faces";

const root = resolve(import.meta.dir, "..");
const table = join(root, "test/build/loads.txt");

type Import = { path: string; kind: string };
type Chunk = {
  inputs: Record<string, unknown>;
  imports: Import[];
  /** Bun's own modules that it imports; filled in from its text, for the bundler does not tell. */
  builtins?: string[];
};
type Chunks = Record<string, Chunk>;

/** The chunks of the executable, without making it. */
async function chunks(): Promise<Chunks> {
  const outdir = mkdtempSync(join(tmpdir(), "loads-"));
  try {
    const result = await Bun.build({
      entrypoints: [join(root, "src/main.ts")],
      target: "bun",
      format: "esm",
      splitting: true,
      minify: true, // what is not used is not there
      metafile: true,
      outdir,
      root,
      plugins: [staticAddon, throughFaces(join(root, "src"))],
      throw: true,
    });
    const { outputs } = result.metafile as unknown as { outputs: Chunks };
    for (const [name, chunk] of Object.entries(outputs)) {
      const text = readFileSync(join(outdir, name), "utf8");
      chunk.builtins = [...text.matchAll(/(?:\}from|^import|[;\n]import)"([a-z][a-z:_/]*)";/g)].map(
        ([, builtin = ""]) => builtin,
      );
    }
    return outputs;
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** Names that stand in the table: of a module below src/ without its ending, of a package its own, of Bun's as they are. */
function nameOf(input: string): string | null {
  const module = /(?:^|\/)src\/(.*)\.(?:ts|json)$/.exec(input)?.[1];
  if (module !== undefined) return module;
  const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1];
  if (name !== undefined) return name;
  return null; // groups, and files of the executable that are no modules
}

class Loads {
  readonly #outputs: Chunks;
  readonly #chunkOf = new Map<string, string>();

  constructor(outputs: Chunks) {
    this.#outputs = outputs;
    for (const [chunk, { inputs: own }] of Object.entries(outputs))
      for (const input of Object.keys(own)) this.#chunkOf.set(nameOf(input) ?? input, chunk);
  }

  /** What is loaded with a module, itself among it. */
  of(module: string): Set<string> {
    const start = this.#chunkOf.get(module);
    if (start === undefined) throw new Error(`${module} is in no chunk`);
    const seen = new Set<string>();
    const names = new Set<string>();
    const visit = (chunk: string): void => {
      const output = this.#outputs[chunk];
      if (seen.has(chunk) || output === undefined) return;
      seen.add(chunk);
      for (const input of Object.keys(output.inputs)) {
        const name = nameOf(input);
        if (name !== null) names.add(name);
      }
      for (const builtin of output.builtins ?? []) names.add(builtin);
      for (const { path, kind } of output.imports) if (kind === "import-statement") visit(path);
    };
    visit(start);
    return names;
  }
}

/** The file of a command, from the text of its `load`. */
function filesOfCommands(): Map<string, string> {
  const text = readFileSync(join(root, "src/cli/commands.ts"), "utf8");
  const found = [
    ...text.matchAll(/path: "([^"]+)",\s*(?:aliases: \[[^\]]*\],\s*)?load: \(\) => import\("\.\/([^"]+)"\)/g),
  ];
  return new Map(found.map(([, path = "", file = ""]) => [path, `cli/${file}`]));
}

function words(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length > 130) lines.push(`  ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}

/** Modules by their rooms: `container/{find,live}`. */
function listed(names: Iterable<string>): string {
  const rooms = new Map<string, string[]>();
  for (const name of [...names].sort()) {
    const slash = name.startsWith("cli/") ? name.lastIndexOf("/") : name.indexOf("/");
    const room = slash < 0 ? "" : name.slice(0, slash);
    rooms.set(room, [...(rooms.get(room) ?? []), name.slice(slash + 1)]);
  }
  return [...rooms]
    .map(([room, own]) => (room === "" ? own.join(" ") : `${room}/{${own.join(" ")}}`))
    .join(" ");
}

export async function loadsTable(): Promise<string> {
  const loads = new Loads(await chunks());
  const always = new Set([...loads.of("main"), ...loads.of("cli/start")]);
  const all = new Set([...always, ...loads.of("cli/app")]);
  const files = filesOfCommands();
  const lines = [
    "# What each command loads before it does anything, made by .dev/loads.ts: how many modules, and which besides those of every command.",
    `every command line: ${always.size}\n${words(listed(always))}`,
    `every command: ${all.size}\n${words(listed([...all].filter((name) => !always.has(name))))}`,
  ];
  for (const { path } of allCommands()) {
    const file = files.get(path);
    if (file === undefined) throw new Error(`commands.ts: no file is found for ${path}`);
    const own = [...loads.of(file)].filter((name) => !all.has(name));
    lines.push(`${path}: ${all.size + own.length}\n${words(listed(own))}`);
  }
  return `${lines.join("\n\n")}\n`;
}

/** Lines of one text that the other has not. */
function missingIn(text: string, other: string): string[] {
  const lines = new Set(other.split("\n"));
  return text.split("\n").filter((line) => !lines.has(line));
}

async function main(): Promise<number> {
  const now = await loadsTable();
  if (!process.argv.includes("--check")) {
    writeFileSync(table, now);
    return 0;
  }
  const was = readFileSync(table, "utf8");
  if (was === now) return 0;
  const show = (sign: string, lines: string[]) => lines.map((line) => `${sign}${line}\n`).join("");
  process.stderr.write(`${show("-", missingIn(was, now))}${show("+", missingIn(now, was))}`);
  process.stderr.write(
    "Error: test/build/loads.txt: commands load other modules now; if they have to: npm run generate\n",
  );
  return 1;
}

if (import.meta.main) process.exit(await main());
