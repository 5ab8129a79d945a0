/**
 * What control groups cost. A scope needs systemd and version 2, so that is measured in the virtual machine of the tests, where programs are 5 to 20 times slower than on
 * a real one: the ratio to the same run without a scope is what to look at, and what a scope adds to `run` beside what it adds to `true` (systemd-run --scope), whose
 * work is the manager's alone and cannot be hidden behind anything.
 */
import { prepareVm, runInVm, vmMissing, vmUnsupported } from "../harness";
import { PATIENT } from "../harness/vm";
import { type Bench, type Figure, type Row, tiny } from "./figures";
import { inTurn, median, timed } from "./measure";

const CONTAINERS = 50;
const CONTAINERS_IN_MACHINE = 20; // each is started by an emulated processor
const MOST_ROUNDS_IN_MACHINE = 7;
const SECONDS_IN_MACHINE = 900; // for the rounds; those that are done by then count

/** Samples in milliseconds, a line each: its name and the time. */
function readTimes(output: string, name: string): number[] {
  return output
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([word]) => word === name)
    .map(([, micros]) => Number(micros) / 1000);
}

async function inTheMachine(bench: Bench): Promise<Row[]> {
  if (vmUnsupported() === null && vmMissing() !== null) prepareVm();
  const missing = vmMissing();
  if (missing !== null) throw new Error(missing);
  const rounds = Math.min(bench.rounds, MOST_ROUNDS_IN_MACHINE);
  const { stdout, stderr } =
    await runInVm(`mkdir -p /tmp/vm; . /job/prelude.sh; ${PATIENT}; proa load -q -i /job/image >/dev/null
timed() { local name=$1 from=\${EPOCHREALTIME/./}; shift; "$@" >/dev/null || exit 1; echo "$name $(( \${EPOCHREALTIME/./} - from ))"; }
for i in {0..${rounds}}; do
  [ $SECONDS -lt ${SECONDS_IN_MACHINE / 2} ] || break
  timed true$((i > 0)) /bin/true
  timed manager$((i > 0)) systemd-run --user --scope --quiet /bin/true
  timed without$((i > 0)) proa run --rm --network none --cgroups disabled tiny true
  timed scope$((i > 0)) proa run --rm --network none tiny true
  timed limits$((i > 0)) proa run --rm --network none -m 64m --cpus 1 --pids-limit 100 tiny true
done
for i in {1..${CONTAINERS_IN_MACHINE}}; do proa run -d --network none tiny sleep 100000 >/dev/null; done
for i in {0..${rounds}}; do
  [ $SECONDS -lt ${SECONDS_IN_MACHINE} ] || break
  timed version$((i > 0)) proa version
  timed stats$((i > 0)) proa stats --no-stream
done`);
  const ms = (name: string) => median(readTimes(stdout, `${name}1`));
  if (Number.isNaN(ms("stats"))) throw new Error(`in the machine: ${stderr.slice(-500)}`);
  const where = "in the virtual machine";
  return [
    {
      figure: `\`run --rm\` with a scope, ${where}; floor: \`--cgroups disabled\``,
      unit: "ms",
      floor: ms("without"),
      values: { proa: ms("scope") },
      goal: "≤ 8 ms more, on a real one",
    },
    {
      figure: `\`run --rm\` with a scope and three limits, ${where}; the same floor`,
      unit: "ms",
      floor: ms("without"),
      values: { proa: ms("limits") },
      goal: "≤ 8 ms more, on a real one",
    },
    {
      figure: `what a scope adds to \`run\`, ${where}; floor: to \`true\`, by \`systemd-run --scope\``,
      unit: "ms",
      floor: ms("manager") - ms("true"),
      values: { proa: ms("scope") - ms("without") },
      goal: "less than the floor: it is waited for while the container is prepared",
    },
    {
      figure: `\`stats --no-stream\` of ${CONTAINERS_IN_MACHINE} containers, ${where}; floor: \`version\``,
      unit: "ms",
      floor: ms("version"),
      values: { proa: ms("stats") },
      goal: "≤ 20 ms more, on a real one",
    },
  ];
}

async function onThisHost(bench: Bench): Promise<Row> {
  const engine = bench.engines.find(({ name }) => name === "proa");
  if (!engine) throw new Error("no proa");
  try {
    for (let i = 0; i < CONTAINERS; i++)
      engine.run("run", "-d", "--network", "none", tiny(bench), "sleep", "100000");
    const medians = await inTurn(
      [
        { name: "version", sample: () => timed(engine.command("version")) },
        { name: "stats", sample: () => timed(engine.command("stats", "--no-stream")) },
      ],
      bench.rounds,
    );
    return {
      figure: `\`stats --no-stream\` of ${CONTAINERS} containers; floor: \`version\` (without groups it looks twice, 250 ms apart)`,
      unit: "ms",
      floor: medians.get("version")?.ms,
      values: { proa: medians.get("stats")?.ms ?? Number.NaN },
      goal: "≤ 20 ms more",
    };
  } finally {
    engine.clear();
  }
}

export const limits: Figure = {
  name: "limits",
  async measure(bench) {
    return [await onThisHost(bench), ...(await inTheMachine(bench))];
  },
};
