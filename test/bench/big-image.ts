/** An image of 300 MB in 20,000 files and three layers, the same on every machine. */
import { type Layer, makeImage, makeLayer, type TestImage, type Tree } from "../harness";

const FILES = 20_000;
const FILE_BYTES = 15_000; // on average
const LAYERS = 3;

/** Numbers below 2^32 from a seed (xorshift32): every run makes the same image. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Content that gzip brings to about a third, as programs and libraries do: words out of a vocabulary, and noise. */
function content(next: () => number, vocabulary: readonly string[], size: number): Uint8Array {
  const bytes = Buffer.alloc(size);
  let at = 0;
  while (at < size) {
    const word = next() % 5 === 0 ? next().toString(36) : (vocabulary[next() % vocabulary.length] ?? "");
    at += bytes.write(`${word} `, at, "latin1");
  }
  return bytes;
}

export async function bigImage(): Promise<TestImage> {
  return makeImage({ layers: await bigLayers(), config: { Cmd: ["none"] } });
}

export async function bigLayers(): Promise<Layer[]> {
  const next = numbers(20_260_101);
  const vocabulary = Array.from({ length: 4_000 }, () =>
    next()
      .toString(36)
      .repeat(1 + (next() % 2)),
  );
  const layers: Layer[] = [];
  for (let layer = 0; layer < LAYERS; layer++) {
    const tree: Tree = {};
    for (let i = layer; i < FILES; i += LAYERS) {
      const directory = `srv/${layer}/${(i / 300) | 0}`;
      tree[`${directory}/`] ??= "";
      tree[`${directory}/file-${i}`] = content(next, vocabulary, 1 + (next() % (2 * FILE_BYTES)));
    }
    layers.push(await makeLayer(tree));
  }
  return layers;
}
