/** The verbs of a container's life: one after the other, many in a row, and much data through them. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchEngine } from "./engines";
import {
  clearLayers,
  type Figure,
  floorCommand,
  layerDirectory,
  type Row,
  row,
  tiny,
  tinyRoot,
} from "./figures";
import { type Contender, inTurn, median, type Sample, timed } from "./measure";

const FLOOR = "floor";
const TRAP = 'trap "exit 0" TERM; while :; do sleep 1000 & wait; done';

/** What each verb is held to, as podman's time divided by proa's. */
const VERBS = {
  create: "podman / 6",
  start: "podman / 8",
  inspect: "podman / 6",
  logs: "podman / 6",
  exec: "≤ 5 × floor",
  stop: "podman / 8",
  rm: "podman / 6",
} as const;

/** Each verb of one container's life, the engines in turn; the floor is a bare process. */
export const verbs: Figure = {
  name: "verbs",
  async measure(bench) {
    const names = Object.keys(VERBS) as (keyof typeof VERBS)[];
    const taken = new Map<string, Map<string, number[]>>(names.map((verb) => [verb, new Map()]));
    const floors: number[] = [];
    const life = (engine: BenchEngine): Record<keyof typeof VERBS, Sample> => {
      const one = (...args: string[]): Sample => timed(engine.command(...args));
      return {
        create: one("create", "--network", "none", "--name", "box", tiny(bench), "sh", "-c", TRAP),
        start: one("start", "box"),
        exec: one("exec", "box", "true"),
        inspect: one("inspect", "box"),
        logs: one("logs", "box"),
        stop: one("stop", "box"),
        rm: one("rm", "box"),
      };
    };
    const contenders: Contender[] = [
      {
        name: FLOOR,
        sample: (round) => {
          const sample = timed({ argv: ["/bin/busybox", "true"], env: {} });
          if (round > 0) floors.push(sample.us / 1000);
          return sample;
        },
      },
      ...bench.engines.map((engine) => ({
        name: engine.name,
        sample: (round: number) => {
          const samples = life(engine);
          for (const verb of names) {
            const of = taken.get(verb) ?? new Map<string, number[]>();
            if (round > 0) of.set(engine.name, [...(of.get(engine.name) ?? []), samples[verb].us / 1000]);
          }
          return samples.create;
        },
      })),
    ];
    await inTurn(contenders, bench.rounds);
    return names.map((verb): Row => {
      const values = Object.fromEntries(
        [...(taken.get(verb) ?? [])].map(([engine, all]) => [engine, median(all)]),
      );
      return { figure: `\`${verb}\``, unit: "ms", floor: median(floors), values, goal: VERBS[verb] };
    });
  },
};

const ROW = 200;

/** As many runs one after the other, and as many containers removed in one command. */
export const inARow: Figure = {
  name: "row",
  async measure(bench) {
    const rounds = Math.min(3, bench.rounds);
    const runs = await inTurn(
      [
        {
          name: FLOOR,
          sample: () => {
            const us = Array.from(
              { length: ROW },
              () => timed(floorCommand("run", layerDirectory(bench), tinyRoot(bench), "/bin/true")).us,
            ).reduce((a, b) => a + b);
            clearLayers(bench);
            return { us, maxRssKiB: 0, status: 0 };
          },
        },
        ...bench.engines.map((engine) => ({
          name: engine.name,
          sample: () => {
            const us = Array.from(
              { length: engine.name === "proa" ? ROW : ROW / 10 },
              () => timed(engine.command("run", "--rm", "--network", "none", tiny(bench), "true")).us,
            ).reduce((a, b) => a + b);
            return { us: engine.name === "proa" ? us : us * 10, maxRssKiB: 0, status: 0 };
          },
        })),
      ],
      rounds,
    );
    const removals = await inTurn(
      bench.engines.map((engine) => ({
        name: engine.name,
        sample: () => {
          for (let i = 0; i < 500; i++)
            engine.run("create", "--network", "none", "--name", `r${i}`, tiny(bench), "true");
          return timed(engine.command("rm", ...Array.from({ length: 500 }, (_, i) => `r${i}`)));
        },
      })),
      1,
    );
    return [
      row("200 `run --rm` in a row (podman: 20, times 10)", runs, "≤ 3 × floor"),
      row("`rm` of 500 in one command", removals, "podman / 20"),
    ];
  },
};

const MEGABYTES = 1024;
const FILES = 20_000;

/** A log of 1 GB, and 1 GB and 20,000 files through cp. The floors: `cat` of as much text, `cp -r`. */
export const data: Figure = {
  name: "data",
  async measure(bench) {
    const rounds = Math.min(3, bench.rounds);
    const from = join(bench.scratch, "from");
    const to = join(bench.scratch, "to");
    mkdirSync(join(from, "many"), { recursive: true });
    const shell = (script: string) => ({ argv: ["sh", "-c", script], env: { PATH: "/usr/bin:/bin" } });
    const line =
      "a line of a log, as long as the lines of logs are: about one hundred bytes with all of this behind";
    Bun.spawnSync(["sh", "-c", `yes '${line}' | head -c ${MEGABYTES << 20} > "$1/big"`, "sh", from]);
    for (let i = 0; i < FILES; i++) writeFileSync(join(from, "many", `file-${i}`), `${i}`.repeat(100));
    const plain = (what: string): Contender => ({
      name: FLOOR,
      sample: () => {
        const sample = timed(shell(`mkdir ${to} && cp -r ${join(from, what)} ${to}/`));
        rmSync(to, { recursive: true });
        return sample;
      },
    });
    const copies = async (what: string, label: string): Promise<Row[]> => {
      const into = await inTurn(
        [
          plain(what),
          ...bench.engines.map((engine) => ({
            name: engine.name,
            sample: () => {
              engine.run("create", "--network", "none", "--name", "into", tiny(bench), "true");
              const sample = timed(engine.command("cp", join(from, what), "into:/"));
              engine.run("rm", "into");
              return sample;
            },
          })),
        ],
        rounds,
      );
      for (const engine of bench.engines) {
        engine.run("create", "--network", "none", "--name", "out", tiny(bench), "true");
        engine.run("cp", join(from, what), "out:/");
      }
      const out = await inTurn(
        [
          plain(what),
          ...bench.engines.map((engine) => ({
            name: engine.name,
            sample: () => {
              mkdirSync(to);
              const sample = timed(engine.command("cp", `out:/${what}`, to));
              rmSync(to, { recursive: true });
              return sample;
            },
          })),
        ],
        rounds,
      );
      for (const engine of bench.engines) engine.run("rm", "out");
      return [row(`\`cp\` of ${label} in`, into, ""), row(`\`cp\` of ${label} out`, out, "")];
    };
    const rows = [...(await copies("big", "1 GB")), ...(await copies("many", "20,000 files"))];
    for (const engine of bench.engines) {
      const script = `yes '${line}' | head -c ${MEGABYTES << 20}`;
      engine.run("run", "-d", "--network", "none", "--name", "wordy", tiny(bench), "sh", "-c", script);
      engine.run("wait", "wordy");
    }
    const logs = await inTurn(
      [
        { name: FLOOR, sample: () => timed(shell(`cat ${join(from, "big")} | cat > /dev/null`)) },
        ...bench.engines.map((engine) => {
          const { argv, env } = engine.command("logs", "wordy");
          return {
            name: engine.name,
            sample: () => timed({ argv: ["sh", "-c", '"$@" | cat > /dev/null', "sh", ...argv], env }),
          };
        }),
      ],
      rounds,
    );
    for (const engine of bench.engines) engine.clear();
    rmSync(from, { recursive: true });
    return [...rows, row("`logs` of 1 GB, through a pipe", logs, "")];
  },
};
