/**
 * Which files a command loads. A room is entered through its `index.ts`, and the bundler would give every command all that the room's
 * face names. This plugin lets each import lead to the file behind the face, so that a chunk holds what its command uses and no more.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const IMPORT = /^import (?!type )\{([^}]*)\} from "(\.[^"]*|node:[a-z]*)";$/gm;
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

/** @param source the directory whose modules are treated so */
export function throughFaces(source: string): Bun.BunPlugin {
  return {
    name: "through faces",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, "utf8");
        if (!path.startsWith(`${source}/`)) return { contents: text, loader: "ts" };
        const contents = text.replace(IMPORT, (statement, names, specifier) =>
          behindFace(source, path, statement, names, specifier),
        );
        return { contents, loader: "ts" };
      });
    },
  };
}
