/**
 * What a key press costs: `__complete` with 500 containers, of which half run, and 1,000 images, beside the executable's start. The rows are copies of
 * those of one container and one image, and of those that run the locks are held here: making them takes minutes, and no query tells the difference.
 */
import { Database } from "bun:sqlite";
import { closeSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { tryLock } from "../../src/state";
import type { BenchEngine } from "./engines";
import { type Bench, type Figure, type Row, tiny } from "./figures";
import { inTurn, timed } from "./measure";

const CONTAINERS = 500;
const IMAGES = 1000;
const START = "start";

const LINES: readonly (readonly string[])[] = [
  [""],
  ["run", "--"],
  ["run", ""],
  ["rm", ""],
  ["stop", ""],
  ["pause", ""],
  ["rmi", ""],
  ["exec", "many-1", ""],
  ["cp", "many-1:/bin/"],
  ["run", "-v", ""],
  ["run", "--mount", "type=bind,source=/usr/bin/"],
  ["ps", "--filter", "label="],
  ["ps", "--format", "{{."],
  ["inspect", "-f", "{{.State."],
  ["inspect", ""],
];

function hex(prefix: string, number: number): string {
  return prefix + number.toString(16).padStart(64, "0");
}

/** Copies of every row of TABLE that has FROM in COLUMN, with other values in it. */
function copy(db: Database, table: string, from: Record<string, string>, to: Record<string, string>): void {
  const columns = (db.query(`PRAGMA table_info(${table})`).all() as { name: string }[]).map(
    ({ name }) => name,
  );
  const chosen = columns.map((name) => (name in to ? `'${to[name]}'` : name));
  const where = Object.entries(from).map(([name, value]) => `${name} = '${value}'`);
  db.run(
    `INSERT OR IGNORE INTO ${table} SELECT ${chosen.join(", ")} FROM ${table} WHERE ${where.join(" AND ")}`,
  );
}

/** Fill the store. Returns the locks of those that run. */
function fill(bench: Bench, { sandbox, run }: BenchEngine): number[] {
  const id = run("create", "--name", "many", "--label", "tier=front", "-v", "data:/data", tiny(bench));
  const image = `sha256:${run("images", "-q", "--no-trunc").split("\n")[0]?.replace("sha256:", "")}`;
  const db = new Database(join(sandbox.dataHome, "proa/state.db"));
  const locks: number[] = [];
  db.transaction(() => {
    for (let i = 0; i < CONTAINERS; i++) {
      const made = hex("", i + 1);
      copy(
        db,
        "container",
        { id },
        { id: made, name: `many-${i}`, status: i % 2 === 0 ? "exited" : "running" },
      );
      copy(db, "container_spec", { id }, { id: made });
    }
    for (let i = 0; i < IMAGES; i++) {
      const made = hex("sha256:", i + 1);
      copy(db, "image", { id: image }, { id: made });
      copy(db, "image_config", { image_id: image }, { image_id: made });
      copy(db, "image_layer", { image_id: image }, { image_id: made });
      copy(db, "manifest", { image_id: image }, { image_id: made, digest: made });
      const name = `registry.example/team-${i % 20}/image-${i}`;
      copy(
        db,
        "tag",
        { image_id: image },
        { image_id: made, manifest: made, name: `${name}:1`, repository: name },
      );
    }
  })();
  db.close();
  for (let i = 1; i < CONTAINERS; i += 2) {
    const directory = join(sandbox.runtimeDir, "proa/containers", hex("", i + 1));
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const lock = tryLock(directory);
    if (lock !== null) locks.push(lock);
  }
  return locks;
}

async function measure(bench: Bench): Promise<Row[]> {
  const engine = bench.engines.find(({ name }) => name === "proa");
  if (engine === undefined) return [];
  const locks = fill(bench, engine);
  const named = LINES.map((words) => [`\`${words.join(" ")}‸\``, words] as const);
  const medians = await inTurn(
    [
      { name: START, sample: () => timed(engine.command("--version")) },
      ...named.map(([name, words]) => ({
        name,
        sample: () => timed(engine.command("__complete", ...words)),
      })),
    ],
    bench.rounds,
  );
  for (const lock of locks) closeSync(lock);
  engine.dispose();
  return named.map(([name]) => ({
    figure: name,
    unit: "ms",
    floor: medians.get(START)?.ms,
    values: { proa: medians.get(name)?.ms ?? Number.NaN },
    goal: "≤ start + 15",
  }));
}

export const completion: Figure = { name: "completion", measure };
