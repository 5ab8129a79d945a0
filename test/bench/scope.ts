/**
 * What a scope costs on a real processor: below a service manager of the user's own with version 2 of control groups, as `.dev/bench` gives it where it is started as root.
 * Limits need controllers that most machines for tests have in version 1; they are measured in the virtual machine (`limits.ts`).
 */
import { existsSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { type Figure, type Row, tiny } from "./figures";
import { inTurn, timed } from "./measure";

const CONTAINERS = 50;
const CGROUP2 = 0x63677270; // statfs(2)

function missing(): string | null {
  if (statfsSync("/sys/fs/cgroup").type !== CGROUP2)
    return "no control groups of version 2 at /sys/fs/cgroup";
  const bus = join(process.env.XDG_RUNTIME_DIR ?? "/", "bus");
  return existsSync(bus) ? null : `no bus of a service manager at ${bus}`;
}

export const scope: Figure = {
  name: "scope",
  isApart: true,
  async measure(bench): Promise<Row[]> {
    const why = missing();
    if (why !== null) throw new Error(`${why}; started as root, npm run bench -- scope has both`);
    const engine = bench.engines.find(({ name }) => name === "proa");
    if (!engine) throw new Error("no proa");
    const run = (...options: string[]) =>
      timed(engine.command("run", "--rm", "--network", "none", ...options, tiny(bench), "true"));
    const runs = await inTurn(
      [
        { name: "without", sample: () => run("--cgroups", "disabled") },
        { name: "with", sample: () => run() },
      ],
      bench.rounds,
    );
    try {
      for (let i = 0; i < CONTAINERS; i++)
        engine.run("run", "-d", "--network", "none", tiny(bench), "sleep", "100000");
      const looks = await inTurn(
        [
          { name: "version", sample: () => timed(engine.command("--version")) },
          { name: "stats", sample: () => timed(engine.command("stats", "--no-stream")) },
        ],
        bench.rounds,
      );
      return [
        {
          figure: "`run --rm` with a scope; floor: `--cgroups disabled`",
          unit: "ms",
          floor: runs.get("without")?.ms,
          values: { proa: runs.get("with")?.ms ?? Number.NaN },
          goal: "≤ 8 ms more",
        },
        {
          figure: `\`stats --no-stream\` of ${CONTAINERS} containers with scopes; floor: the executable's start`,
          unit: "ms",
          floor: looks.get("version")?.ms,
          values: { proa: looks.get("stats")?.ms ?? Number.NaN },
          goal: "≤ 20 ms more",
        },
      ];
    } finally {
      engine.clear();
    }
  },
};
