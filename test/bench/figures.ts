/** The figures: each says what it measures, against which floor, and how far from the floor it may be. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeImage, processesOf, pushImage, type Registry, tinyImage } from "../harness";
import { bigImage } from "./big-image";
import { completion } from "./completion";
import type { BenchEngine } from "./engines";
import { face } from "./face";
import { lazy } from "./lazy";
import { data, inARow, verbs } from "./life";
import { limits } from "./limits";
import { type Contender, floorProgram, inTurn, type Medians, type Sample, timed } from "./measure";
import { network } from "./network";
import { scope } from "./scope";
import { transfer } from "./transfer";

export type Bench = {
  engines: BenchEngine[];
  registry: Registry;
  /** A directory for the floor's files. */
  scratch: string;
  rounds: number;
  /** Of one row of a figure whose samples take seconds, in milliseconds. */
  budgetMs: number;
};

export type Row = {
  figure: string;
  unit: "ms" | "µs" | "KiB" | "MiB" | "Gbit/s" | "1/s";
  floor: number | undefined;
  values: Record<string, number>;
  /** What the project promises: at most so many times the floor, or an absolute value of the unit. */
  goal: string;
};

export type Figure = {
  name: string;
  /** Names beside the engines' that its rows have values of. */
  columns?: string[];
  /** Only where it is named. */
  isApart?: boolean;
  measure: (bench: Bench) => Promise<Row[]>;
};

const TINY = "tiny:latest";
const FLOOR = "floor";

export function tiny(bench: Bench): string {
  return `${bench.registry.host}/${TINY}`;
}

/** The tiny image's files as a plain directory, for the floor's overlay. */
export function tinyRoot(bench: Bench): string {
  const root = join(bench.scratch, "tiny");
  for (const name of ["bin", "dev", "proc", "sys", "etc", "tmp"])
    mkdirSync(join(root, name), { recursive: true });
  const program = join(root, "bin/busybox");
  if (!readdirSync(join(root, "bin")).includes("busybox")) {
    writeFileSync(program, readFileSync("/bin/busybox"), { mode: 0o755 });
    Bun.spawnSync(["ln", "-s", "/bin/busybox", join(root, "bin/true")]);
  }
  return root;
}

let serial = 0;

/** A fresh directory for the floor's writable layer. */
export function layerDirectory(bench: Bench): string {
  const path = join(bench.scratch, `floor-${serial++}`);
  mkdirSync(path);
  return path;
}

export const floorCommand = (...args: string[]) => ({
  argv: [floorProgram(), ...args],
  env: { PATH: "/usr/bin:/bin" },
});

/** Clear the floor's writable layers, whose `work/work` even their owner may not enter. */
export function clearLayers(bench: Bench): void {
  for (const name of readdirSync(bench.scratch).filter((each) => each.startsWith("floor-"))) {
    Bun.spawnSync(["sh", "-c", 'chmod -R u+rwx "$1"; rm -rf "$1"', "sh", join(bench.scratch, name)]);
  }
}

export function row(figure: string, medians: Medians, goal: string): Row {
  const values: Record<string, number> = {};
  for (const [name, { ms }] of medians) if (name !== FLOOR) values[name] = ms;
  return { figure, unit: "ms", floor: medians.get(FLOOR)?.ms, values, goal };
}

const run: Figure = {
  name: "run",
  async measure(bench) {
    const contenders: Contender[] = [
      {
        name: FLOOR,
        sample: () => timed(floorCommand("run", layerDirectory(bench), tinyRoot(bench), "/bin/true")),
      },
      ...bench.engines.map((engine) => ({
        name: engine.name,
        sample: () => timed(engine.command("run", "--rm", "--network", "none", tiny(bench), "true")),
      })),
    ];
    const medians = await inTurn(contenders, bench.rounds);
    clearLayers(bench);
    return [row("`run --rm --network none IMAGE true`", medians, "≤ 2 × floor")];
  },
};

const exec: Figure = {
  name: "exec",
  async measure(bench) {
    const held = Bun.spawnSync(floorCommand("hold", layerDirectory(bench), tinyRoot(bench)).argv);
    const pid = held.stdout.toString().trim();
    try {
      for (const engine of bench.engines)
        engine.run("run", "-d", "--network", "none", "--name", "box", tiny(bench), "sleep", "1000");
      const medians = await inTurn(
        [
          { name: FLOOR, sample: () => timed(floorCommand("exec", pid, "/bin/true")) },
          ...bench.engines.map((engine) => ({
            name: engine.name,
            sample: () => timed(engine.command("exec", "box", "true")),
          })),
        ],
        bench.rounds,
      );
      return [row("`exec CONTAINER true`", medians, "≤ 5 × floor")];
    } finally {
      process.kill(Number(pid), "SIGKILL");
      for (const engine of bench.engines) engine.clear();
      clearLayers(bench);
    }
  },
};

/** Containers in `ps -a`, and images in `images`; state of the floor: as many files of 4 KB, each read once. */
const stateFiles = (bench: Bench, count: number): string => {
  const directory = mkdtempSync(join(bench.scratch, "state-"));
  for (let i = 0; i < count; i++) writeFileSync(join(directory, String(i)), "x".repeat(4000));
  return directory;
};

const ps: Figure = {
  name: "ps",
  async measure(bench) {
    const rows: Row[] = [];
    const counts = [1, 500];
    let made = 0;
    for (const count of counts) {
      for (; made < count; made++) {
        for (const engine of bench.engines)
          engine.run("create", "--network", "none", "--name", `c${made}`, tiny(bench), "true");
      }
      const state = stateFiles(bench, count);
      const medians = await inTurn(
        [
          { name: FLOOR, sample: () => timed(floorCommand("read", state)) },
          ...bench.engines.map((engine) => ({
            name: engine.name,
            sample: () => timed(engine.command("ps", "-a")),
          })),
        ],
        bench.rounds,
      );
      rows.push(
        row(
          `\`ps -a\`, ${count} container${count === 1 ? "" : "s"}`,
          medians,
          count === 500 ? "≤ 3 × floor" : "flat",
        ),
      );
    }
    for (const engine of bench.engines) engine.clear();
    return rows;
  },
};

const images: Figure = {
  name: "images",
  async measure(bench) {
    const rows: Row[] = [];
    let made = 1; // tiny
    for (const count of [1, 100, 1000]) {
      for (; made < count; made++) {
        const image = await makeImage({
          layers: [{ [`file-${made}`]: `${made}` }],
          config: { Labels: { n: `${made}` } },
        });
        const reference = await pushImage(`${bench.registry.host}/many/i${made}:latest`, image);
        for (const engine of bench.engines) engine.pull(reference);
      }
      const state = stateFiles(bench, count);
      const medians = await inTurn(
        [
          { name: FLOOR, sample: () => timed(floorCommand("read", state)) },
          ...bench.engines.map((engine) => ({
            name: engine.name,
            sample: () => timed(engine.command("images")),
          })),
        ],
        bench.rounds,
      );
      rows.push(row(`\`images\`, ${count}`, medians, "flat"));
    }
    return rows;
  },
};

/** PSS of everything an engine keeps for its containers, the containers' own program (`sleep`) not counted, in KiB. */
function pssOf(engine: BenchEngine): number {
  let total = 0;
  for (const { pid, name } of processesOf(engine.sandbox)) {
    if (name === "sleep") continue;
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    total += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? Number.NaN);
  }
  return total;
}

const memory: Figure = {
  name: "memory",
  async measure(bench) {
    const values: Record<string, number> = {};
    for (const engine of bench.engines) {
      for (let i = 0; i < 50; i++) engine.run("run", "-d", "--network", "none", tiny(bench), "sleep", "1000");
      await Bun.sleep(500);
      values[engine.name] = pssOf(engine) / 50;
      engine.clear();
    }
    return [
      {
        figure: "PSS of an idle detached container, of 50",
        unit: "KiB",
        floor: undefined,
        values,
        goal: "≤ 300 KiB",
      },
    ];
  },
};

const together: Figure = {
  name: "together",
  async measure(bench) {
    const COUNT = 50;
    const floor = (): Sample => {
      const base = layerDirectory(bench);
      for (let i = 0; i < COUNT; i++) mkdirSync(join(base, String(i)));
      return timed(floorCommand("run", join(base, "%"), tinyRoot(bench), "/bin/true"), [
        "together",
        String(COUNT),
      ]);
    };
    const medians = await inTurn(
      [
        { name: FLOOR, sample: floor },
        ...bench.engines.map((engine) => ({
          name: engine.name,
          sample: () => {
            const command = engine.command(
              "run",
              "-d",
              "--network",
              "none",
              "--name",
              "t%",
              tiny(bench),
              "sleep",
              "1000",
            );
            const sample = timed(command, ["together", String(COUNT)]);
            engine.clear();
            return sample;
          },
        })),
      ],
      Math.min(3, bench.rounds),
    );
    clearLayers(bench);
    return [row("50 containers started at once", medians, "≤ 4 × floor")];
  },
};

/** What the plain tools need for the same layers: fetched, decompressed and unpacked, all at once. */
const PLAIN_PULL = `
set -e
for digest in $DIGESTS; do
  mkdir "$DIR/$digest"
  curl -sf "$URL/blobs/$digest" | gzip -dc | tar -x -C "$DIR/$digest" --no-same-owner &
done
wait`;

const pull: Figure = {
  name: "pull",
  async measure(bench) {
    const image = await bigImage();
    const reference = await pushImage(`${bench.registry.host}/big:latest`, image);
    const digests = image.blobs.slice(1).map((blob) => blob.digest);
    const plain = (): Sample => {
      const directory = mkdtempSync(join(bench.scratch, "plain-"));
      const env = {
        PATH: "/usr/bin:/bin",
        DIR: directory,
        URL: `http://${bench.registry.host}/v2/big`,
        DIGESTS: digests.join(" "),
      };
      const sample = timed({ argv: ["bash", "-c", PLAIN_PULL], env });
      rmSync(directory, { recursive: true, force: true });
      return sample;
    };
    const medians = await inTurn(
      [
        { name: FLOOR, sample: plain },
        ...bench.engines.map((engine) => ({
          name: engine.name,
          sample: () => {
            const options = engine.name === "podman" ? ["--tls-verify=false"] : [];
            const sample = timed(engine.command("pull", "-q", ...options, reference));
            engine.run("rmi", reference);
            return sample;
          },
        })),
      ],
      Math.min(3, bench.rounds),
    );
    const megabytes = Object.fromEntries(
      bench.engines.map(({ name }) => [name, medians.get(name)?.maxRssMiB ?? Number.NaN]),
    );
    return [
      row("`pull`, 300 MB in 20,000 files, from loopback", medians, "≤ 1.3 × `curl|gunzip|tar -x`"),
      {
        figure: "largest process of that pull",
        unit: "MiB",
        floor: undefined,
        values: megabytes,
        goal: "≤ 150 MiB",
      },
    ];
  },
};

export const figures: readonly Figure[] = [
  run,
  exec,
  ps,
  images,
  memory,
  together,
  verbs,
  inARow,
  data,
  pull,
  ...transfer,
  lazy,
  network,
  limits,
  scope,
  completion,
  face,
];

/** Every engine has the tiny image and has run it. A peer that does not work here is left out, with a warning. */
export async function prepare(bench: Bench): Promise<void> {
  await pushImage(tiny(bench), await tinyImage());
  for (const engine of [...bench.engines]) {
    try {
      engine.pull(tiny(bench));
      engine.run("run", "--rm", "--network", "none", tiny(bench), "true");
    } catch (error) {
      if (engine.name === "proa") throw error;
      process.stderr.write(
        `warning: ${engine.name} is left out: ${error instanceof Error ? error.message : error}\n`,
      );
      bench.engines.splice(bench.engines.indexOf(engine), 1);
      engine.dispose();
    }
  }
}
