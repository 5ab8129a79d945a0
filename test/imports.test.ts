/** The direction of imports in `src/`, as CONTRIBUTING.md draws it: down the list, through the room's public face, without a cycle. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";

/** Top to bottom. A room imports from itself and from rooms below. */
const ROOMS = [
  "main",
  "cli",
  "api",
  "container",
  "build",
  "image",
  "network",
  "volume",
  "registry",
  "storage",
  "oci",
  "state",
  "helper",
];

const src = resolve(import.meta.dir, "../src");

/** `isLate`: nothing is loaded when the module is, because the import is of types alone or an `import()` inside a function. */
type Import = { from: string; to: string; isLate: boolean };

/** Paths relative to src, without `.ts` for the room's name alone. */
function roomOf(file: string): string {
  const first = relative(src, file).split("/")[0] ?? "";
  return first.replace(/\.ts$/, "");
}

function resolveImport(from: string, specifier: string): string | undefined {
  const base = resolve(dirname(from), specifier);
  for (const path of [base, `${base}.ts`, join(base, "index.ts")]) {
    if (existsSync(path) && statSync(path).isFile()) return path;
  }
  return undefined;
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?[^;"']*?from\s*["'](\.[^"']*)["']|import\(\s*["'](\.[^"']*)["']\s*\)/g;

function importsOf(file: string, text: string = readFileSync(file, "utf8")): Import[] {
  const found: Import[] = [];
  for (const match of text.matchAll(IMPORT)) {
    const specifier = match[2] ?? match[3] ?? "";
    const to = resolveImport(file, specifier);
    if (to?.startsWith(`${src}/`))
      found.push({ from: file, to, isLate: match[1] !== undefined || match[3] !== undefined });
  }
  return found;
}

/** What is wrong with one import, or undefined. */
function fault({ from, to }: Import): string | undefined {
  const [above, below] = [roomOf(from), roomOf(to)];
  const edge = `${relative(src, from)} imports ${relative(src, to)}`;
  if (below === "error") return undefined;
  if (above === "error") return `${edge}: error.ts imports nothing`;
  if (above === below) {
    const isPrivate = basename(to).startsWith("_");
    const isWithin = `${dirname(from)}/`.startsWith(`${dirname(to)}/`); // its folder, and the folders in it
    return isPrivate && !isWithin ? `${edge}: private to its folder` : undefined;
  }
  const order = [ROOMS.indexOf(above), ROOMS.indexOf(below)] as const;
  if (order[0] < 0 || order[1] < 0) return `${edge}: a room that the list does not have`;
  if (order[1] < order[0]) return `${edge}: upwards`;
  if (above === "main") return undefined; // it is the start of cli/, whose face is the command line itself
  return basename(to) === "index.ts" && dirname(to) === join(src, below)
    ? undefined
    : `${edge}: around ${below}/index.ts`;
}

const files = [...new Bun.Glob("**/*.ts").scanSync(src)].map((file) => join(src, file));
const imports = files.flatMap((file) => importsOf(file));

/** The first cycle among files, as a list that ends where it began. Late imports do not count. */
function findCycle(edges: readonly Import[]): string[] | undefined {
  const next = new Map<string, string[]>();
  for (const { from, to, isLate } of edges) {
    if (!isLate) next.set(from, [...(next.get(from) ?? []), to]);
  }
  const done = new Set<string>();
  const visit = (file: string, path: string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const to of next.get(file) ?? []) {
      const cycle = visit(to, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of next.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle.map((each) => relative(src, each));
  }
  return undefined;
}

describe("src/", () => {
  test("every import points down the list and ends at a room's index.ts", () => {
    expect(imports.length).toBeGreaterThan(0);
    expect(imports.map(fault).filter((found) => found !== undefined)).toEqual([]);
  });

  test("no file imports itself through others", () => {
    expect(findCycle(imports)).toBeUndefined();
  });

  test("every relative import leads to a file", () => {
    const missing = files.flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(IMPORT)]
        .map((match) => match[2] ?? match[3] ?? "")
        .filter(
          (specifier) => resolveImport(file, specifier) === undefined && !specifier.includes("native/build/"),
        )
        .map((specifier) => `${relative(src, file)}: ${specifier}`),
    );
    expect(missing).toEqual([]);
  });
});

describe("fault()", () => {
  const edge = (from: string, to: string): string | undefined =>
    fault({ from: join(src, from), to: join(src, to), isLate: false });

  test("refuses upwards, around the index and foreign private files", () => {
    expect(edge("state/a.ts", "cli/index.ts")).toEndWith("upwards");
    expect(edge("cli/a.ts", "state/paths.ts")).toEndWith("around state/index.ts");
    expect(edge("cli/a.ts", "cli/container/_b.ts")).toEndWith("private to its folder");
    expect(edge("cli/a.ts", "elsewhere/index.ts")).toEndWith("does not have");
  });

  test("accepts downwards, the same room and error.ts", () => {
    expect(edge("cli/container/run.ts", "container/index.ts")).toBeUndefined();
    expect(edge("oci/a.ts", "oci/_b.ts")).toBeUndefined();
    expect(edge("cli/container/a.ts", "cli/_b.ts")).toBeUndefined();
    expect(edge("helper/a.ts", "error.ts")).toBeUndefined();
  });

  test("reads every form of import", () => {
    const text =
      'import { a } from "../error";\nimport type {\n  b,\n} from "../error";\nexport * from "../error";\nawait import("../error");';
    expect(importsOf(join(src, "helper/x.ts"), text).map(({ isLate }) => isLate)).toEqual([
      false,
      true,
      false,
      true,
    ]);
  });
});

test("findCycle() names the files of a cycle", () => {
  const edges = [
    ["a", "b"],
    ["b", "c"],
    ["c", "b"],
  ].map(([from = "", to = ""]) => ({
    from: join(src, from),
    to: join(src, to),
    isLate: false,
  }));
  expect(findCycle(edges)).toEqual(["b", "c", "b"]);
  expect(findCycle(edges.slice(0, 2))).toBeUndefined();
});
