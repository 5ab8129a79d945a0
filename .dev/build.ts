/**
 * Builds `dist/proa`: the C helper first, then Bun's runtime, our bundle as bytecode, the helper, the program of the embedded image
 * and zstd-napi's addon in one file. Skipped where no input has changed since the last build.
 *
 *   build.ts [--force] [--outfile FILE] [--plain]     --plain: neither minified nor bytecode, to measure against
 *
 * Measured with 2 busy CPUs, `proa ps -a`, medians: plain 55 ms, minified 48, bytecode 20, both 20, with the bytecode of top-level code
 * alone 31; 23 and 16.5 where all was in one CommonJS file, whose top every start evaluates, and where it is in chunks (`faces.ts`).
 * Laying the bytecode out by a profile (`bytecodeOrder`) saves 0.4 ms and would need every build to be made twice.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { staticAddon } from "./addon";
import { throughFaces } from "./faces";

const root = resolve(import.meta.dir, "..");
const outfile = resolve(root, flag("--outfile") ?? "dist/proa");
const isPlain = process.argv.includes("--plain");
const stampFile = `${outfile}.inputs`;

/** The value behind an option of this script. */
function flag(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

/** Every file below `path` that a build may read. */
function* filesBelow(path: string): Generator<string> {
  if (!existsSync(path)) return;
  if (!statSync(path).isDirectory()) {
    yield path;
    return;
  }
  for (const name of readdirSync(path).sort()) {
    if (!name.startsWith("build") || path !== join(root, "native")) yield* filesBelow(join(path, name));
  }
}

/** One digest of names and contents of all inputs. The compiler and static libraries of the system are not among them: `--force`. */
function inputsDigest(): string {
  const hasher = new Bun.CryptoHasher("sha256");
  const inputs = [
    "src",
    "native",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    ".dev/build.ts",
    ".dev/addon.ts",
    ".dev/faces.ts",
    ".dev/grammars.ts",
    ".dev/summaries.ts",
    ".dev/words.ts",
    ".dev/addon.mk",
  ];
  for (const file of inputs.flatMap((input) => [...filesBelow(join(root, input))])) {
    const bytes = readFileSync(file);
    hasher.update(`${relative(root, file)}\0${bytes.length}\0`);
    hasher.update(bytes);
  }
  return hasher.update(String(isPlain)).digest("hex");
}

function make(): void {
  const result = Bun.spawnSync(
    [
      "make",
      "--no-print-directory",
      "-s",
      "-C",
      join(root, "native"),
      `-j${Math.min(4, availableParallelism())}`,
    ],
    { stdout: "inherit", stderr: "inherit" },
  );
  if (result.exitCode !== 0) throw new Error(`make -C native: exit status ${result.exitCode}`);
}

async function bundle(to: string): Promise<void> {
  await Bun.build({
    entrypoints: [join(root, "src/main.ts")],
    target: "bun",
    format: "esm",
    splitting: true, // a command loads the chunks that hold its own modules, and no other
    minify: !isPlain,
    bytecode: !isPlain,
    sourcemap: "none",
    plugins: [staticAddon, throughFaces(join(root, "src"))],
    compile: {
      outfile: to,
      jitPolicy: 100, // commands end before compiled code pays, those with lists of a thousand too; what goes on for minutes still gets it
      // a tool that people run in any directory takes no code and no settings from there
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    throw: true,
  });
}

async function buildUnlessCurrent(): Promise<void> {
  const digest = inputsDigest();
  const isCurrent =
    !process.argv.includes("--force") &&
    existsSync(outfile) &&
    existsSync(join(root, "native/build/proa-helper")) &&
    existsSync(stampFile) &&
    readFileSync(stampFile, "utf8") === digest;
  if (isCurrent) return;
  const startedMs = performance.now();
  make();
  mkdirSync(dirname(outfile), { recursive: true });
  const temporary = mkdtempSync(join(dirname(outfile), ".build-"));
  try {
    await bundle(join(temporary, "proa"));
    renameSync(join(temporary, "proa"), outfile); // whole or not at all: somebody may be running the old one
    writeFileSync(stampFile, digest);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  const megabytes = (statSync(outfile).size / 1e6).toFixed(0);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stderr.write(`==> built ${relative(process.cwd(), outfile)}, ${megabytes} MB, in ${seconds} s\n`);
}

try {
  await buildUnlessCurrent();
} catch (error) {
  if (error instanceof AggregateError) for (const each of error.errors) console.error(each); // with file and line
  process.stderr.write(`Error: build: ${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}
