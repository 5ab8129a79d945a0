/** The figure "face": what is asked of proa itself, and what is typed wrongly, beside an empty program that is compiled in the same way. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Figure, Row } from "./figures";
import { inTurn, timed } from "./measure";

const USAGE = 125; // exit status
const EMPTY = "empty";

const LINES: readonly (readonly [words: readonly string[], status: number])[] = [
  [["--version"], 0],
  [["--nonsense"], USAGE],
  [["nonsense"], USAGE],
  [["ps", "--nonsense"], USAGE],
  [["run", "--nonsense"], USAGE],
];

async function compileEmpty(directory: string): Promise<string> {
  const source = join(directory, "empty.ts");
  const program = join(directory, "empty");
  writeFileSync(source, "process.exit(0);\n");
  await Bun.build({
    entrypoints: [source],
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    compile: {
      outfile: program,
      jitPolicy: 100,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    throw: true,
  });
  return program;
}

async function measure(bench: Bench): Promise<Row[]> {
  const engine = bench.engines.find(({ name }) => name === "proa");
  if (engine === undefined) return [];
  const empty = await compileEmpty(bench.scratch);
  const env = engine.sandbox.env;
  const named = LINES.map(([words, status]) => ({ name: `\`proa ${words.join(" ")}\``, words, status }));
  const medians = await inTurn(
    [
      { name: EMPTY, sample: () => timed({ argv: [empty], env }) },
      ...named.map(({ name, words, status }) => ({
        name,
        sample: () => timed(engine.command(...words), ["time"], status),
      })),
    ],
    2 * bench.rounds, // they are short, and the goal is close
  );
  return named.map(({ name }) => ({
    figure: name,
    unit: "ms",
    floor: medians.get(EMPTY)?.ms,
    values: { proa: medians.get(name)?.ms ?? Number.NaN },
    goal: "≤ 1.3 × an empty program",
  }));
}

export const face: Figure = { name: "face", measure };
