/** How soon a container of a large image that is not here says its first word: from its table of contents, and after a full pull. */
import { makeImage, processesOf, pushImage, tinyLayer, waitUntil } from "../harness";
import { bigLayers } from "./big-image";
import type { BenchEngine } from "./engines";
import { type Figure, type Row, row } from "./figures";
import { type Contender, inTurn, type Sample, timed } from "./measure";

const FLOOR = "floor";

/** One layer of programs below three of data, in a registry as zstd:chunked. */
export const lazy: Figure = {
  name: "lazy",
  async measure(bench): Promise<Row[]> {
    const config = { Cmd: ["sh"], Env: ["PATH=/bin"] };
    const image = await makeImage({ layers: [await tinyLayer(), ...(await bigLayers())], config });
    const plain = await pushImage(`${bench.registry.host}/big-programs:latest`, image);
    const reference = `${bench.registry.host}/big-chunked:latest`;
    const proa = bench.engines.find(({ name }) => name === "proa");
    if (proa === undefined) return [];
    proa.run("pull", "-q", plain);
    proa.run("push", "-q", "--compression-format", "zstd:chunked", plain, reference);
    proa.run("rmi", plain);
    const run = ["run", "--rm", "--network", "none"];
    const whole = (engine: BenchEngine): Sample => {
      const [program = ""] = engine.command().argv;
      const insecure = engine.name === "podman" ? "--tls-verify=false" : "";
      const script = `"$0" pull -q ${insecure} "$1" && "$0" ${run.join(" ")} "$1" echo first`;
      const { env } = engine.command();
      const sample = timed({ argv: ["sh", "-c", script, program, reference], env });
      engine.run("rmi", reference);
      return sample;
    };
    const early = async (): Promise<Sample> => {
      const sample = timed(proa.command(...run, "--lazy", "--quiet", reference, "echo", "first"));
      const isComing = () => processesOf(proa.sandbox).some(({ command }) => command.endsWith("__lazy"));
      await waitUntil(() => !isComing(), { timeoutMs: 120_000 });
      proa.run("rmi", reference);
      return sample;
    };
    const contenders: Contender[] = [
      { name: FLOOR, sample: () => whole(proa) },
      { name: "proa", sample: early },
      ...bench.engines
        .filter(({ name }) => name !== "proa")
        .map((engine) => ({ name: engine.name, sample: () => whole(engine) })),
    ];
    const medians = await inTurn(contenders, Math.min(3, bench.rounds));
    const figure =
      "first output of a 300 MB image that is not here: `run --lazy`; floor: proa's pull and run";
    return [row(figure, medians, "≤ 0.5 × pull and run")];
  },
};
