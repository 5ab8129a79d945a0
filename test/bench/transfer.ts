/** Images on their way: pulled, pushed, saved, loaded and removed, of three sizes and two compressions, beside podman, skopeo and what plain tools need. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Layer, makeImage, makeLayer, pushImage, startRegistry, type TestImage } from "../harness";
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

/** Its one layer is none of the other figures', which each engine has already. */
async function smallImage(): Promise<TestImage> {
  const busybox = { content: readFileSync("/bin/busybox"), mode: 0o755 };
  return makeImage({ layers: [await makeLayer({ "bin/busybox": busybox, small: "its own" })] });
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

/** Without a runtime directory of its own it looks for credentials below /run, where it may not. */
const skopeoEnv = ({ scratch }: Bench) => ({
  PATH: "/usr/bin:/bin",
  HOME: scratch,
  XDG_RUNTIME_DIR: scratch,
});

/** skopeo as one more contender, where it is installed. */
function skopeo(bench: Bench, take: (argv: (...args: string[]) => Sample) => Sample): Contender[] {
  const path = Bun.which("skopeo");
  if (path === null) return [];
  const env = skopeoEnv(bench);
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

type Source = { what: string; repository: string; unpack: string; image: () => Promise<TestImage> };

/** The same value each time; made when it is first asked for. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

const layersOfBig = once(bigLayers);
const sources = {
  tiny: { what: "tiny", repository: "t-tiny", unpack: "gzip -dc", image: smallImage },
  middle: {
    what: "100 MB in 20 files",
    repository: "t-middle",
    unpack: "gzip -dc",
    image: async () => makeImage({ layers: [await middleLayer()] }),
  },
  big: {
    what: "300 MB in 20,000 files, gzip",
    repository: "t-big",
    unpack: "gzip -dc",
    image: async () => makeImage({ layers: await layersOfBig() }),
  },
  zstd: {
    what: "the same, zstd",
    repository: "t-zstd",
    unpack: "zstd -dc",
    image: async () => makeImage({ layers: await asZstd(await layersOfBig()) }),
  },
} satisfies Record<string, Source>;

const imageOfBig = once(sources.big.image);

/** Its name in the registry, where it is now. */
async function pushed(bench: Bench, { repository }: Source, image: TestImage): Promise<string> {
  return pushImage(`${bench.registry.host}/${repository}:latest`, image);
}

function pullOf(name: keyof typeof sources): Figure {
  const source = sources[name];
  return {
    name: `transfer-pull-${name}`,
    columns: [SKOPEO],
    async measure(bench): Promise<Row[]> {
      forget(bench);
      const image = name === "big" ? await imageOfBig() : await source.image();
      const reference = await pushed(bench, source, image);
      const directory = join(bench.scratch, "skopeo-oci");
      const medians = await taken(
        bench,
        [
          { name: FLOOR, sample: () => plainPull(bench, image, source.repository, source.unpack) },
          ...bench.engines.map((engine) => ({
            name: engine.name,
            sample: () => {
              Bun.spawnSync([...engine.command("rmi", "-f", reference).argv], {
                env: { ...engine.sandbox.env },
              });
              return timed(engine.command("pull", "-q", ...insecure(engine), reference));
            },
          })),
          ...skopeo(bench, (copy) => {
            rmSync(directory, { recursive: true, force: true });
            return copy("--src-tls-verify=false", `docker://${reference}`, `oci:${directory}`);
          }),
        ],
        name === "tiny",
      );
      const goal = "≤ 1.15 × `curl|decompress|tar -x`";
      return [row(`\`pull\`, ${source.what}`, medians, goal), memory("pull", medians)];
    },
  };
}

/** Up to three samples each, as far as the time goes; but for small images the first ones count: what they find cold is nothing beside what they move. */
function taken(bench: Bench, contenders: Contender[], isSmall = false): Promise<Medians> {
  const rounds = isSmall ? bench.rounds : Math.min(3, bench.rounds);
  return inTurn(contenders, rounds, { isWarm: !isSmall, budgetMs: bench.budgetMs });
}

/** No engine has anything of these images: two of them are the same layers, which would not be unpacked again. */
function forget(bench: Bench): void {
  const names = Object.values(sources).map(({ repository }) => `${bench.registry.host}/${repository}:latest`);
  for (const engine of bench.engines)
    for (const name of names) {
      const { argv, env } = engine.command("rmi", "-f", name);
      Bun.spawnSync([...argv], { env: { ...env } });
    }
}

/** The big image in the registry, and of all these images it alone in each engine's store. */
async function everywhere(bench: Bench): Promise<string> {
  forget(bench);
  const reference = await pushed(bench, sources.big, await imageOfBig());
  for (const engine of bench.engines) engine.run("pull", "-q", ...insecure(engine), reference);
  return reference;
}

/** In parts, each of which can be named, because together they take minutes. */
export const transfer: readonly Figure[] = [
  pullOf("tiny"),
  pullOf("middle"),
  pullOf("big"),
  pullOf("zstd"),
  {
    name: "transfer-save-load",
    columns: [SKOPEO],
    measure: async (bench) => saveAndLoad(bench, await everywhere(bench)),
  },
  {
    name: "transfer-push",
    columns: [SKOPEO],
    measure: async (bench) => pushes(bench, await everywhere(bench)),
  },
  { name: "transfer-rmi", measure: async (bench) => [await removals(bench, await everywhere(bench))] },
];

async function saveAndLoad(bench: Bench, reference: string): Promise<Row[]> {
  const archive = (name: string) => join(bench.scratch, `${name}.tar`);
  const saved = await taken(bench, [
    ...bench.engines.map((engine) => ({
      name: engine.name,
      sample: () => {
        rmSync(archive(engine.name), { force: true });
        return timed(engine.command("save", "-q", "-o", archive(engine.name), reference));
      },
    })),
    ...skopeo(bench, (copy) => {
      rmSync(archive(SKOPEO), { force: true });
      return copy(
        "--src-tls-verify=false",
        `docker://${reference}`,
        `docker-archive:${archive(SKOPEO)}:${reference}`,
      );
    }),
  ]);
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
  const loaded = await taken(bench, [
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
  ]);
  return [
    row("`save`, 300 MB in 20,000 files", saved, ""),
    memory("save", saved),
    row("`load` of that", loaded, ""),
    memory("load", loaded),
  ];
}

/** To a registry that has nothing of it. */
async function pushes(bench: Bench, reference: string): Promise<Row[]> {
  const empty = await startRegistry();
  try {
    const clear = () => rmSync(join(empty.storage, "docker"), { recursive: true, force: true });
    const directory = join(bench.scratch, "skopeo-push");
    const contents = ["--src-tls-verify=false", `docker://${reference}`, `oci:${directory}`];
    if (Bun.which(SKOPEO) !== null)
      Bun.spawnSync([SKOPEO, "--insecure-policy", "copy", "-q", ...contents], {
        env: skopeoEnv(bench),
        stderr: "inherit",
      });
    let serial = 0; // registries remember in memory what they have: each push is to a repository of its own
    const target = () => `${empty.host}/pushed${serial++}:v1`;
    const medians = await taken(bench, [
      ...bench.engines.map((engine) => ({
        name: engine.name,
        sample: () => {
          clear();
          return timed(engine.command("push", "-q", ...insecure(engine), reference, target()));
        },
      })),
      ...skopeo(bench, (copy) => {
        clear();
        return copy("--dest-tls-verify=false", `oci:${directory}`, `docker://${target()}`);
      }),
    ]);
    return [row("`push` of that to an empty registry", medians, ""), memory("push", medians)];
  } finally {
    await empty.stop();
  }
}

async function removals(bench: Bench, reference: string): Promise<Row> {
  const medians = await taken(
    bench,
    bench.engines.map((engine) => ({
      name: engine.name,
      sample: () => {
        engine.run("pull", "-q", ...insecure(engine), reference);
        return timed(engine.command("rmi", reference));
      },
    })),
  );
  return row("`rmi` of that", medians, "");
}
