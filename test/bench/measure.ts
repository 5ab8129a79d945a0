/** Timing: contenders take turns, so that what disturbs the machine disturbs all of them; medians are compared. */
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { testCacheDir } from "../harness";

export type Sample = { us: number; maxRssKiB: number; status: number };

export type Command = { argv: readonly string[]; env: Readonly<Record<string, string>>; cwd?: string };

/** The floor program, compiled when its source is newer. */
export function floorProgram(): string {
  const source = join(import.meta.dir, "floor.c");
  const directory = join(testCacheDir(), "bench");
  const program = join(directory, "floor");
  mkdirSync(directory, { recursive: true });
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  const flags = ["-O2", "-w", "-D_GNU_SOURCE", "-static"];
  const built = Bun.spawnSync(["gcc", ...flags, "-o", program, source, "-lseccomp"], { stderr: "pipe" });
  if (built.exitCode !== 0) throw new Error(`compile ${source}: ${built.stderr.toString()}`);
  return program;
}

/** Run a command under `floor time` (or another measuring verb), which has no part in the time. Throws when it ends otherwise than with STATUS. */
export function timed(command: Command, verb: readonly string[] = ["time"], status = 0): Sample {
  const result = Bun.spawnSync([floorProgram(), ...verb, ...command.argv], {
    env: { ...command.env },
    cwd: command.cwd ?? "/",
    stdin: "ignore",
  });
  const sample = JSON.parse(result.stdout.toString() || "null") as Sample | null;
  if (sample === null || sample.status !== status) {
    throw new Error(
      `${command.argv.join(" ")}: exit status ${sample?.status}: ${result.stderr.toString().slice(-500)}`,
    );
  }
  return sample;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export type Contender = {
  name: string;
  /** One sample. What it prepares and clears away is outside the time. */
  sample: (round: number) => Sample | Promise<Sample>;
};

export type Medians = Map<string, { ms: number; maxRssMiB: number; count: number }>;

/** Ticks (10 ms) that the machine's CPUs have been busy and idle since it started, /proc/stat. */
function cpuTicks(): { busy: number; idle: number } {
  const [, user = 0, nice = 0, system = 0, idle = 0, ...rest] = (
    readFileSync("/proc/stat", "utf8").split("\n")[0] ?? ""
  )
    .split(/ +/)
    .map(Number);
  const [, irq = 0, softirq = 0, steal = 0] = rest; // the first is waiting for disks: idle
  return { busy: user + nice + system + irq + softirq + steal, idle };
}

/** Give the machine up to a second to fall idle: what the sample before left to do is not the next one's. */
export async function settle(): Promise<void> {
  for (let tries = 0; tries < 10; tries++) {
    const before = cpuTicks();
    await Bun.sleep(100);
    const after = cpuTicks();
    if (after.busy - before.busy <= (after.idle - before.idle) / 10) return;
  }
}

export type Rounds = {
  /** The first round counts, too. */
  isWarm?: boolean;
  /** No round is begun that would end later, as far as the one before tells; one is taken in any case. */
  budgetMs?: number;
};

/** `rounds` samples of each contender in turn, after one that is not counted. */
export async function inTurn(
  contenders: readonly Contender[],
  rounds: number,
  { isWarm = false, budgetMs = Number.POSITIVE_INFINITY }: Rounds = {},
): Promise<Medians> {
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]));
  const begin = performance.now();
  for (let round = isWarm ? 1 : 0; round <= rounds; round++) {
    const before = performance.now();
    for (const { name, sample } of contenders) {
      await settle();
      const taken = await sample(round);
      if (round > 0) samples.get(name)?.push(taken);
    }
    const now = performance.now();
    if (round > 0 && now - begin + (now - before) > budgetMs) break;
  }
  return new Map(
    [...samples].map(([name, taken]) => [
      name,
      {
        ms: median(taken.map(({ us }) => us)) / 1000,
        maxRssMiB: median(taken.map(({ maxRssKiB }) => maxRssKiB)) / 1024,
        count: taken.length,
      },
    ]),
  );
}
