/**
 * `npm run bench -- [--alone] [-n ROUNDS] [FIGURE…]`: medians of interleaved samples, beside the floor measured in the same minutes, as a
 * markdown table. podman stands beside proa where it is installed,
 * unless --alone. Figures: run exec ps images memory together verbs row data pull transfer lazy network limits scope completion face (scope only where it is named:
 * it is measured below a service manager of the user's own); what is called after one and a dash is a
 * part of it, and can be named alone: transfer-pull-tiny -pull-middle -pull-big -pull-zstd -save-load -push -rmi. Rows come out as they are measured. Without -n, a row of
 * transfer takes as many samples as half a minute holds.
 *
 * PROA_TEST_TMP says where stores and scratch files lie. Where the disk has ext4 without a journal let it be a tmpfs: inodes that were freed in the last minutes are passed over
 * there one by one, and a pull of 20,000 files behind a removal of as many spends four fifths of its time so.
 */
import { mkdtempSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { startRegistry } from "../harness";
import { benchEngines } from "./engines";
import { type Bench, figures, prepare, type Row } from "./figures";

const budgetMs = 30_000; // of a row whose samples take seconds

type Arguments = { alone: boolean; rounds: number; budgetMs: number; names: string[] };

/** The figure of this name, and the parts of one that is called so. */
const isCalled = (figure: string, name: string): boolean => figure === name || figure.startsWith(`${name}-`);

function readArguments(all: readonly string[]): Arguments {
  const words = all.filter((word) => word !== "--alone");
  const at = words.indexOf("-n");
  const rounds = at < 0 ? 15 : Number(words[at + 1]);
  const names = words.filter((_, i) => at < 0 || (i !== at && i !== at + 1));
  const unknown = names.filter((name) => !figures.some((figure) => isCalled(figure.name, name)));
  if (unknown.length > 0 || !(rounds > 0)) {
    process.stderr.write(
      `usage: npm run bench -- [--alone] [-n ROUNDS] [${figures.map(({ name }) => name).join("|")}]...\n`,
    );
    process.exit(2);
  }
  const isCounted = at >= 0; // who counts has the time
  const budget = isCounted ? Number.POSITIVE_INFINITY : budgetMs;
  return { alone: words.length < all.length, rounds, budgetMs: budget, names };
}

function number(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "";
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** Times of a floor are above 1, shares of it below. */
function ratio(value: number): string {
  return value.toFixed(value < 1 ? 2 : 1);
}

/** One line of the table: value and ratio to the floor of each engine. */
function line({ figure, unit, floor, values, goal }: Row, engines: readonly string[]): string {
  const cells = engines.map((name) => {
    const value = values[name];
    if (value === undefined) return "";
    return floor === undefined ? number(value) : `${number(value)} (${ratio(value / floor)} ×)`;
  });
  return `| ${figure} | ${unit} | ${number(floor)} | ${cells.join(" | ")} | ${faster(unit, values)} | ${goal} |`;
}

/** podman's time in proa's. */
function faster(unit: Row["unit"], { proa, podman }: Row["values"]): string {
  const isTime = unit === "ms" || unit === "µs";
  return isTime && proa !== undefined && podman !== undefined ? ratio(podman / proa) : "";
}

const { alone, rounds, names, budgetMs: budget } = readArguments(process.argv.slice(2));
const registry = await startRegistry();
const engines = benchEngines(alone);
const bench: Bench = {
  engines,
  registry,
  scratch: mkdtempSync(join(process.env["PROA_TEST_TMP"] ?? tmpdir(), "bench-")),
  rounds,
  budgetMs: budget,
};
const print = (text: string): void => void process.stdout.write(`${text}\n`);
try {
  await prepare(bench);
  const wanted = figures.filter(({ name, isApart }) =>
    names.length === 0 ? !isApart : names.some((each) => isCalled(name, each)),
  );
  const engineNames = [
    ...engines.map(({ name }) => name),
    ...new Set(wanted.flatMap(({ columns = [] }) => columns)),
  ];
  print(`| figure | unit | floor | ${engineNames.join(" | ")} | podman : proa | goal |`);
  print(`|---|---|---|${engineNames.map(() => "---|").join("")}---|---|`);
  for (const figure of wanted) {
    process.stderr.write(`==> ${figure.name}\n`);
    try {
      for (const row of await figure.measure(bench)) print(line(row, engineNames));
    } catch (error) {
      process.exitCode = 1;
      process.stderr.write(`Error: ${figure.name}: ${error instanceof Error ? error.message : error}\n`);
    }
  }
} finally {
  for (const engine of engines) engine.dispose();
  Bun.spawnSync(["sh", "-c", 'chmod -R u+rwx "$1"; rm -rf "$1"', "sh", bench.scratch]);
  await registry.stop();
}
print("");
process.stdout.write(
  `${cpus().length} CPUs (${cpus()[0]?.model ?? "unknown"}), Linux ${release()}; medians of up to ${rounds} rounds, `,
);
process.stdout.write("contenders in turn; (n ×): times the floor.\n");
