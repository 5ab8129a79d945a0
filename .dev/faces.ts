/**
 * Which files a command loads. A room is entered through its `index.ts`, and the bundler would give every command all that the room's
 * face names. This plugin lets each import lead to the file behind the face, so that a chunk holds what its command uses and no more.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { grammarModule, withGrammars } from "./grammars";
import { summariesModule } from "./summaries";
import { wordsOf } from "./words";

const IMPORT = /^import (?!type )\{([^}]*)\} from "(\.[^"]*|node:[a-z]*)";$/gm;
const SINGLE_IMPORT = /import (?!type )\{([^}]*)\} from "([./][^"]*)";/g;
const EXPORT = /^export (?:\{([^}]*)\}|\*) from "([^"]*)";$/gm;

const transpiler = new Bun.Transpiler({ loader: "ts" });

/** Behind which files the names of a face are. */
type Face = ReadonlyMap<string, string>;

const faces = new Map<string, Face>();

/** The names that `file` exports, types left out. */
function exportsOf(file: string): string[] {
  return transpiler.scan(readFileSync(file, "utf8")).exports;
}

function faceAt(index: string): Face {
  const known = faces.get(index);
  if (known !== undefined) return known;
  const face = new Map<string, string>();
  for (const [, names, specifier = ""] of readFileSync(index, "utf8").matchAll(EXPORT)) {
    const file = resolve(dirname(index), `${specifier}.ts`);
    const behind = names === undefined ? exportsOf(file) : valuesOf(names);
    for (const name of behind) face.set(name, file);
  }
  faces.set(index, face);
  return face;
}

/** The names between the braces of an import or export that are no types. */
function valuesOf(names: string): string[] {
  return names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && !name.startsWith("type "));
}

/** An import of a face as imports of the files behind it, one of Bun's as one of its stand-in; any other as it is. */
function behindFace(
  source: string,
  from: string,
  statement: string,
  names: string,
  specifier: string,
): string {
  const isOfBun = specifier.startsWith("node:");
  const index = isOfBun
    ? join(source, "helper/node", `${specifier.slice("node:".length)}.ts`)
    : join(resolve(dirname(from), specifier), "index.ts");
  if (!existsSync(index)) return statement;
  const face = isOfBun ? new Map(exportsOf(index).map((name) => [name, index])) : faceAt(index);
  const otherwise = isOfBun ? specifier : index;
  return valuesOf(names)
    .map((name) => `import { ${name} } from ${JSON.stringify(face.get(name) ?? otherwise)};`)
    .join(" ");
}

/**
 * Small modules that the same commands load. The bundler puts modules together that are reached from the same places, and of small ones no two are: each
 * would be a chunk of its own, and loading a chunk costs 30 µs, however little is in it. So those of a group are only reached through one module that
 * stands for the group, and become one chunk. (`proa run` loads 40 chunks in place of 73, and begins 1 ms earlier.)
 */
const groups: Readonly<Record<string, readonly string[]>> = {
  // what reads a command line
  "group:front": [
    "cli/broken-pipe",
    "cli/args",
    "cli/commands",
    "cli/find",
    "cli/flag-text",
    "cli/globals",
    "cli/io",
    "cli/report",
    "cli/suggest",
    "error",
  ],
  // what every command loads
  "group:state": [
    "container/alive",
    "container/live",
    "container/lock",
    "container/places",
    "helper/_libc",
    "helper/mappings",
    "helper/node/fs",
    "helper/node/path",
    "helper/syscalls",
    "oci/network-mode",
    "state/config",
    "state/context",
    "state/events",
    "state/files",
    "state/lock",
    "state/paths",
    "state/reserve",
  ],
  // what those load that read rows of containers
  "group:rows": ["container/spec", "oci/restart-policy", "state/containers"],
  // what those load that make or start a container
  "group:start": [
    "container/control",
    "container/limits",
    "container/name",
    "container/seccomp-cache",
    "container/sharing",
    "container/signal",
    "oci/bytes",
    "oci/capabilities",
    "oci/cdi-name",
    "oci/health",
    "oci/isolation",
    "oci/namespace-mode",
    "oci/passwd",
    "oci/protected-paths",
    "oci/userns-mode",
  ],
};

/** The group that a file belongs to. */
function groupOf(source: string, file: string): string | undefined {
  if (!file.startsWith(`${source}/`) || !file.endsWith(".ts")) return undefined;
  const name = file.slice(source.length + 1, -".ts".length);
  return Object.keys(groups).find((group) => groups[group]?.includes(name));
}

/** The module that stands for a group. Throws where two of its files export one name. */
function groupModule(source: string, group: string): string {
  const seen = new Set<string>();
  const lines = (groups[group] ?? []).map((name) => {
    const file = join(source, `${name}.ts`);
    const names = exportsOf(file);
    for (const each of names) {
      if (seen.has(each)) throw new Error(`${group}: two of its modules export ${each}`);
      seen.add(each);
    }
    return `export { ${names.join(", ")} } from ${JSON.stringify(file)};`;
  });
  return lines.join("\n");
}

/** Imports of files of other groups than one's own as imports of the group. */
function throughGroups(source: string, from: string, text: string): string {
  const own = groupOf(source, from);
  return text.replace(SINGLE_IMPORT, (statement, names: string, specifier: string) => {
    const file = specifier.startsWith("/") ? specifier : `${resolve(dirname(from), specifier)}.ts`;
    const group = groupOf(source, file);
    if (group === undefined || group === own) return statement;
    return `import { ${valuesOf(names).join(", ")} } from "${group}";`;
  });
}

/** @param source the directory whose modules are treated so */
export function throughFaces(source: string): Bun.BunPlugin {
  return {
    name: "through faces",
    setup(build) {
      const words = wordsOf(join(source, "cli"));
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const text = readFileSync(path, "utf8");
        if (!path.startsWith(`${source}/`)) return { contents: text, loader: "ts" };
        if (path === join(source, "cli/words.ts")) return { contents: words.module, loader: "ts" };
        if (path === join(source, "cli/summaries.ts"))
          return { contents: await summariesModule(), loader: "ts" };
        if (path === join(source, "cli/commands.ts"))
          return { contents: await withGrammars(text, join(source, "cli")), loader: "ts" };
        const contents = words
          .numbered(path, text)
          .replace(IMPORT, (statement, names, specifier) =>
            behindFace(source, path, statement, names, specifier),
          );
        return { contents: throughGroups(source, path, contents), loader: "ts" };
      });
      build.onResolve({ filter: /^group:/ }, ({ path }) => ({ path, namespace: "group" }));
      build.onLoad({ filter: /^group:/, namespace: "group" }, ({ path }) => ({
        contents: groupModule(source, path),
        loader: "ts",
      }));
      build.onResolve({ filter: /^grammar:/ }, ({ path }) => ({ path, namespace: "grammar" }));
      build.onLoad({ filter: /^grammar:/, namespace: "grammar" }, async ({ path }) => ({
        contents: await grammarModule(path),
        loader: "ts",
      }));
    },
  };
}
