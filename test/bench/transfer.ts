/** Images on their way: pulled, pushed, saved, loaded and removed, of three sizes and two compressions, beside podman, skopeo and what plain tools need. */
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  type Layer,
  makeImage,
  makeLayer,
  pushImage,
  startRegistry,
  type TestImage,
  tinyImage,
} from "../harness";
import { bigLayers } from "./big-image";
import type { BenchEngine } from "./engines";
import { type Bench, type Figure, type Row, row } from "./figures";
import { type Contender, inTurn, type Medians, type Sample, timed } from "./measure";

const FLOOR = "floor";
const SKOPEO = "skopeo";

/** The same layers, compressed otherwise. */
async function asZstd(layers: readonly Layer[]): Promise<Layer[]> {
  return Promise.all(
    layers.map((layer) => makeLayer(Bun.gunzipSync(Buffer.from(layer.bytes)), { compression: "zstd" })),
  );
}

/** 100 MB in 20 files, which gzip brings to a half. */
async function middleLayer(): Promise<Layer> {
  const piece = Buffer.alloc(5_000_000);
  const tree: Record<string, Uint8Array> = {};
  for (let at = 0; at < 20; at++) {
    for (let i = 0; i < piece.length; i += 2) piece[i] = ((i * (at + 7)) ^ (i >>> 9)) & 0xff;
    tree[`data/${at}`] = new Uint8Array(piece);
  }
  return makeLayer(tree);
}

const UNPACK = `
set -e
for digest in $DIGESTS; do
  mkdir "$DIR/$digest"
  curl -sf "$URL/blobs/$digest" | $UNPACK | tar -x -C "$DIR/$digest" --no-same-owner &
done
wait`;

function plainPull(bench: Bench, image: TestImage, repository: string, unpack: string): Sample {
  const directory = mkdtempSync(join(bench.scratch, "plain-"));
  const env = {
    PATH: "/usr/bin:/bin",
    DIR: directory,
    URL: `http://${bench.registry.host}/v2/${repository}`,
    DIGESTS: image.blobs
      .slice(1)
      .map(({ digest }) => digest)
      .join(" "),
    UNPACK: unpack,
  };
  const sample = timed({ argv: ["bash", "-c", UNPACK], env });
  rmSync(directory, { recursive: true, force: true });
  return sample;
}

const insecure = (engine: BenchEngine): string[] => (engine.name === "podman" ? ["--tls-verify=false"] : []);

/** skopeo as one more contender, where it is installed. */
function skopeo(take: (argv: (...args: string[]) => Sample) => Sample): Contender[] {
  const path = Bun.which("skopeo");
  if (path === null) return [];
  const env = { PATH: "/usr/bin:/bin", HOME: "/tmp" };
  return [
    {
      name: SKOPEO,
      sample: () =>
        take((...args) => timed({ argv: [path, "--insecure-policy", "copy", "-q", ...args], env })),
    },
  ];
}

function memory(figure: string, medians: Medians): Row {
  const values = [...medians]
    .filter(([name]) => name !== FLOOR)
    .map(([name, { maxRssMiB }]) => [name, maxRssMiB]);
  return {
    figure: `largest process of that ${figure}`,
    unit: "MiB",
    floor: undefined,
    values: Object.fromEntries(values),
    goal: "≤ 150 MiB",
  };
}

export const transfer: Figure = {
  name: "transfer",
  columns: [SKOPEO],
  async measure(bench): Promise<Row[]> {
    const layers = await bigLayers();
    const images: [what: string, repository: string, image: TestImage, unpack: string][] = [
      ["tiny", "t-tiny", await tinyImage(), "gzip -dc"],
      ["100 MB in 20 files", "t-middle", await makeImage({ layers: [await middleLayer()] }), "gzip -dc"],
      ["300 MB in 20,000 files, gzip", "t-big", await makeImage({ layers }), "gzip -dc"],
      ["the same, zstd", "t-zstd", await makeImage({ layers: await asZstd(layers) }), "zstd -dc"],
    ];
    const rounds = Math.min(3, bench.rounds);
    const rows: Row[] = [];
    for (const [what, repository, image, unpack] of images) {
      const reference = await pushImage(`${bench.registry.host}/${repository}:latest`, image);
      const directory = join(bench.scratch, "skopeo-oci");
      const medians = await inTurn(
        [
          { name: FLOOR, sample: () => plainPull(bench, image, repository, unpack) },
          ...bench.engines.map((engine) => ({
            name: engine.name,
            sample: () => {
              Bun.spawnSync([...engine.command("rmi", "-f", reference).argv], {
                env: { ...engine.sandbox.env },
              });
              return timed(engine.command("pull", "-q", ...insecure(engine), reference));
            },
          })),
          ...skopeo((copy) => {
            rmSync(directory, { recursive: true, force: true });
            return copy("--src-tls-verify=false", `docker://${reference}`, `oci:${directory}`);
          }),
        ],
        rounds,
      );
      rows.push(
        row(`\`pull\`, ${what}`, medians, "≤ 1.15 × `curl|decompress|tar -x`"),
        memory("pull", medians),
      );
    }
    const big = `${bench.registry.host}/t-big:latest`;
    rows.push(...(await saveAndLoad(bench, big, rounds)), ...(await pushes(bench, big, rounds)));
    rows.push(await removals(bench, big, rounds));
    return rows;
  },
};

async function saveAndLoad(bench: Bench, reference: string, rounds: number): Promise<Row[]> {
  const archive = (name: string) => join(bench.scratch, `${name}.tar`);
  const saved = await inTurn(
    [
      ...bench.engines.map((engine) => ({
        name: engine.name,
        sample: () => {
          rmSync(archive(engine.name), { force: true });
          return timed(engine.command("save", "-q", "-o", archive(engine.name), reference));
        },
      })),
      ...skopeo((copy) => {
        rmSync(archive(SKOPEO), { force: true });
        return copy(
          "--src-tls-verify=false",
          `docker://${reference}`,
          `docker-archive:${archive(SKOPEO)}:${reference}`,
        );
      }),
    ],
    rounds,
  );
  const plain = (): Sample => {
    const directory = mkdtempSync(join(bench.scratch, "plain-"));
    const script =
      'tar -x -C "$1" -f "$0" && cd "$1" && for t in $(find . -name "*.tar"); do mkdir "$t.d"; tar -x -C "$t.d" -f "$t" --no-same-owner & done; wait';
    const sample = timed({
      argv: ["bash", "-c", script, archive("proa"), directory],
      env: { PATH: "/usr/bin:/bin" },
    });
    rmSync(directory, { recursive: true, force: true });
    return sample;
  };
  const loaded = await inTurn(
    [
      ...(existsSync(archive("proa")) && statSync(archive("proa")).size > 0
        ? [{ name: FLOOR, sample: plain }]
        : []),
      ...bench.engines.map((engine) => ({
        name: engine.name,
        sample: () => {
          engine.run("rmi", "-f", reference);
          return timed(engine.command("load", "-q", "-i", archive(engine.name)));
        },
      })),
    ],
    rounds,
  );
  return [
    row("`save`, 300 MB in 20,000 files", saved, ""),
    memory("save", saved),
    row("`load` of that", loaded, ""),
    memory("load", loaded),
  ];
}

/** To a registry that has nothing of it. */
async function pushes(bench: Bench, reference: string, rounds: number): Promise<Row[]> {
  const empty = await startRegistry();
  try {
    for (const engine of bench.engines) engine.run("pull", "-q", ...insecure(engine), reference); // its blobs, compressed
    const clear = () => rmSync(join(empty.storage, "docker"), { recursive: true, force: true });
    const directory = join(bench.scratch, "skopeo-push");
    Bun.spawnSync(
      ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", `docker://${reference}`].concat(
        `oci:${directory}`,
      ),
    );
    let serial = 0; // registries remember in memory what they have: each push is to a repository of its own
    const target = () => `${empty.host}/pushed${serial++}:v1`;
    const medians = await inTurn(
      [
        ...bench.engines.map((engine) => ({
          name: engine.name,
          sample: () => {
            clear();
            return timed(engine.command("push", "-q", ...insecure(engine), reference, target()));
          },
        })),
        ...skopeo((copy) => {
          clear();
          return copy("--dest-tls-verify=false", `oci:${directory}`, `docker://${target()}`);
        }),
      ],
      rounds,
    );
    return [row("`push` of that to an empty registry", medians, ""), memory("push", medians)];
  } finally {
    await empty.stop();
  }
}

async function removals(bench: Bench, reference: string, rounds: number): Promise<Row> {
  const medians = await inTurn(
    bench.engines.map((engine) => ({
      name: engine.name,
      sample: () => {
        engine.run("pull", "-q", ...insecure(engine), reference);
        return timed(engine.command("rmi", reference));
      },
    })),
    rounds,
  );
  return row("`rmi` of that", medians, "");
}
