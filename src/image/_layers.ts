import { HelperError } from "../helper";
import { chainIdsOf, type Descriptor, type Digest } from "../oci";
import { type Context, isDropped } from "../state";
import {
  BlobWriter,
  type Driver,
  hasBlob,
  type LayerToUnpack,
  LayerWriter,
  unpackedSize,
  unpackStoredLayer,
  whileFetching,
} from "../storage";
import { Gate, turn } from "./_gate";
import type { LayerStatus, PullProgress } from "./progress";

/**
 * Fetching the layers of an image: all at once, each from the socket into the blob's file, its digest and the unpacking helper in one go. What is here
 * already, as a blob or unpacked, is not fetched or unpacked again. Memory holds a piece of each layer, whatever their size.
 *
 * What the layers are when they are unpacked (their diff ids, and so their names here) stands in the image's config. Where that is still on its way they do not wait for it: a blob that is
 * not here is fetched in any case, and the files only need a name in the end.
 */

const connectionsLimit = 6; // at once to one registry; docker takes 3, and browsers 6

/** Where the bytes of layers come from: a registry, or an archive. Exactly `blob.size` bytes come, or an error; the digest is the reader's to verify. */
export type LayerSource = {
  streamBlob(repository: string, blob: Descriptor, signal?: AbortSignal): AsyncGenerator<Uint8Array, void>;
};

export type LayersToFetch = {
  context: Context;
  driver: Driver;
  client: LayerSource;
  /** Path within the registry. */
  repository: string;
  /** Lowest first, as long as `diffIds`. */
  layers: readonly Descriptor[];
  /** A promise where the config is on its way. That the promise is broken stops all layers, and is the error. */
  diffIds: readonly Digest[] | Promise<readonly Digest[]>;
  /** A writer that was started when it was not known which layers there are; undefined when it has been taken. */
  takeSpare?: (() => LayerWriter | undefined) | undefined;
  onProgress: (progress: PullProgress) => void;
  signal: AbortSignal | undefined;
  /** A blob is being written. */
  onBlob?: ((blob: BlobWriter) => void) | undefined;
};

type Layer = { descriptor: Descriptor; at: number };

/** Which layers the blobs are, as soon as that is known. */
class Names {
  readonly all: Promise<readonly LayerToUnpack[]>;
  #known: readonly LayerToUnpack[] | undefined;

  constructor(diffIds: LayersToFetch["diffIds"]) {
    if ("then" in diffIds) {
      this.all = diffIds.then((ids) => {
        this.#known = namesOf(ids);
        return this.#known;
      });
      this.all.catch(() => undefined); // whoever waits for it hears of it
    } else {
      this.#known = namesOf(diffIds);
      this.all = Promise.resolve(this.#known);
    }
  }

  /** Of the layer AT that place, the lowest being 0; undefined where it is not known yet. */
  now({ at }: Layer): LayerToUnpack | undefined {
    return this.#known?.[at];
  }

  async of({ at }: Layer): Promise<LayerToUnpack> {
    const name = (await this.all)[at];
    if (name === undefined) throw new RangeError("a layer without a diff id");
    return name;
  }
}

function namesOf(diffIds: readonly Digest[]): LayerToUnpack[] {
  const chain = chainIdsOf(diffIds);
  return diffIds.map((diffId, at) => {
    const chainId = chain[at];
    if (chainId === undefined) throw new RangeError("a layer without a chain id");
    return { chainId, diffId, parent: chain[at - 1] };
  });
}

type Job = LayersToFetch & { names: Names };

/** Brings every layer into the store and unpacks it. Returns the bytes of the uncompressed layers together. */
export async function fetchLayers(asked: LayersToFetch): Promise<number> {
  const job: Job = { ...asked, names: new Names(asked.diffIds) };
  const stop = new AbortController();
  const onAbort = () => stop.abort(job.signal?.reason);
  if (job.signal?.aborted) onAbort();
  job.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await fetchAll({ ...job, signal: stop.signal }, (error) => stop.abort(error));
  } finally {
    job.signal?.removeEventListener("abort", onAbort);
  }
}

/** One task a layer; the first failure stops the others, and all have cleaned up when it is thrown. */
async function fetchAll(job: Job, stop: (error: unknown) => void): Promise<number> {
  const gate = new Gate(connectionsLimit);
  const blobs = new Map<Digest, Promise<unknown>>(); // by digest: an image may have the same layer twice
  let below: Promise<number> | undefined;
  let failure: { error: unknown } | undefined;
  const fail = (error: unknown): number => {
    failure ??= { error };
    stop(failure.error);
    return 0;
  };
  const known = job.names.all.then(() => 0, fail);
  const tasks = job.layers.map((descriptor, at) => {
    const before = blobs.get(descriptor.digest);
    const parent = job.driver.needsParent ? below : undefined;
    const task = fetchLayer(job, { descriptor, at }, gate, before, parent);
    blobs.set(descriptor.digest, task);
    below = task;
    return task.catch(fail);
  });
  const sizes = await Promise.all([known, ...tasks]);
  if (failure !== undefined) throw failure.error;
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function fetchLayer(
  job: Job,
  layer: Layer,
  gate: Gate,
  sameBlob: Promise<unknown> | undefined,
  parent: Promise<unknown> | undefined,
): Promise<number> {
  const { context, driver, names, onProgress } = job;
  const { digest, size } = layer.descriptor;
  const tell = (status: LayerStatus, current: number) =>
    onProgress({ kind: "layer", id: digest, status, current, total: size });
  const isHere = () => hasBlob(context, digest, size);
  const isGivenUp = () => isDropped(context.db(), digest);
  const unpacked = (name: LayerToUnpack | undefined) =>
    name === undefined ? null : unpackedSize(context, driver, name.chainId);
  if (driver.needsParent || isHere() || isGivenUp()) await names.all; // there may be nothing to fetch
  let known = unpacked(names.now(layer));
  if (known !== null && (isHere() || isGivenUp())) {
    tell("exists", size);
    return known;
  }
  tell("waiting", 0);
  await sameBlob;
  if (!isHere()) {
    // Another pull may be at it: then this one has nothing left to do.
    known = await whileFetching(context, digest, job.signal, async () => {
      const bytes = unpacked(names.now(layer));
      if (isHere()) return bytes;
      const streams = bytes === null && !driver.needsParent;
      return (await gate.pass(() => download(job, layer, streams, tell))) ?? bytes;
    });
  }
  const name = await names.of(layer);
  known ??= unpacked(name);
  if (known !== null) {
    tell("done", size);
    return known;
  }
  await parent;
  job.signal?.throwIfAborted();
  tell("extracting", size);
  const bytes = await unpackStoredLayer(context, driver, name, digest);
  tell("done", size);
  return bytes;
}

/** Fetch the blob and, if STREAMS, unpack it on the way. Returns the unpacked bytes, or null if it was not unpacked. */
async function download(
  job: Job,
  layer: Layer,
  streams: boolean,
  tell: (status: LayerStatus, current: number) => void,
): Promise<number | null> {
  const { context, client, names, repository, signal } = job;
  const { descriptor } = layer;
  signal?.throwIfAborted();
  const blob = new BlobWriter(context, descriptor.digest, descriptor.size);
  const chunks = client.streamBlob(repository, descriptor, signal);
  const first = chunks.next(); // the answer takes its time, and so does the helper's start
  first.catch(() => undefined); // whoever waits for it hears of it
  let unpacking: LayerWriter | undefined;
  job.onBlob?.(blob);
  try {
    if (streams) {
      unpacking = job.takeSpare?.();
      if (unpacking === undefined) {
        await turn(); // the request goes out
        unpacking = await LayerWriter.start(context, job.driver, names.now(layer), "stream");
      }
      names.of(layer).then(
        (name) => unpacking?.identify(name),
        () => undefined,
      );
    }
    let corrupt: unknown;
    for (let piece = await first; !piece.done; piece = await chunks.next()) {
      const chunk = piece.value;
      blob.write(chunk);
      if (unpacking !== undefined && corrupt === undefined) {
        try {
          const full = unpacking.write(chunk);
          if (full !== undefined) await full;
        } catch (error) {
          if (!isAboutContent(error)) throw error;
          corrupt = error; // if the rest shows a wrong digest, that is the better explanation
        }
      }
      tell("downloading", blob.sizeBytes);
    }
    tell("extracting", descriptor.size);
    if (corrupt !== undefined || unpacking === undefined) {
      await blob.finish();
      if (corrupt !== undefined) throw corrupt;
      return null;
    }
    // The disk and the helper both have work left; the digest's verdict comes first where both fail.
    const [stored, applied] = await Promise.allSettled([blob.finish(), unpacking.finish(names.of(layer))]);
    if (stored.status === "rejected") throw stored.reason;
    if (applied.status === "rejected") throw applied.reason;
    return applied.value;
  } finally {
    void chunks.return().catch(() => undefined); // where they were not read to their end
    blob.close();
    await unpacking?.abandon();
  }
}

/** The helper did not like the bytes, as opposed to a system call that failed. */
function isAboutContent(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof HelperError) return at.facts.errno === "";
  }
  return false;
}
