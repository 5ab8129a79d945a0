import { closeSync, openSync } from "node:fs";
import { HelperError } from "../helper";
import { chainIdsOf, type Descriptor, type Digest } from "../oci";
import { type Context, isDropped } from "../state";
import {
  BlobWriter,
  blobPath,
  type Driver,
  hasBlob,
  LayerWriter,
  unpackBlob,
  unpackedSize,
  whileFetching,
} from "../storage";
import { Gate } from "./_gate";
import type { LayerStatus, PullProgress } from "./progress";

/**
 * Fetching the layers of an image: all at once, each from the socket into the blob's file, its digest and the unpacking helper in one go. What is here
 * already, as a blob or unpacked, is not fetched or unpacked again. Memory holds a piece of each layer, whatever their size.
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
  diffIds: readonly Digest[];
  onProgress: (progress: PullProgress) => void;
  signal: AbortSignal | undefined;
  /** A blob is being written. */
  onBlob?: ((blob: BlobWriter) => void) | undefined;
};

type Layer = { descriptor: Descriptor; chainId: Digest; diffId: Digest; parent: Digest | undefined };

/** Brings every layer into the store and unpacks it. Returns the bytes of the uncompressed layers together. */
export async function fetchLayers(job: LayersToFetch): Promise<number> {
  const chain = chainIdsOf(job.diffIds);
  const layers = job.layers.map((descriptor, at): Layer => {
    const [chainId, diffId] = [chain[at], job.diffIds[at]];
    if (chainId === undefined || diffId === undefined) throw new RangeError("a layer without a diff id");
    return { descriptor, chainId, diffId, parent: chain[at - 1] };
  });
  const stop = new AbortController();
  const onAbort = () => stop.abort(job.signal?.reason);
  if (job.signal?.aborted) onAbort();
  job.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await fetchAll({ ...job, signal: stop.signal }, layers, (error) => stop.abort(error));
  } finally {
    job.signal?.removeEventListener("abort", onAbort);
  }
}

/** One task a layer; the first failure stops the others, and all have cleaned up when it is thrown. */
async function fetchAll(
  job: LayersToFetch,
  layers: Layer[],
  stop: (error: unknown) => void,
): Promise<number> {
  const gate = new Gate(connectionsLimit);
  const blobs = new Map<Digest, Promise<unknown>>(); // by digest: an image may have the same layer twice
  const unpacked = new Map<Digest, Promise<number>>(); // by chain id
  let failure: { error: unknown } | undefined;
  const tasks = layers.map((layer) => {
    const before = blobs.get(layer.descriptor.digest);
    const parent = layer.parent === undefined ? undefined : unpacked.get(layer.parent);
    const task = fetchLayer(job, layer, gate, before, job.driver.needsParent ? parent : undefined);
    blobs.set(layer.descriptor.digest, task);
    unpacked.set(layer.chainId, task);
    return task.catch((error: unknown) => {
      failure ??= { error };
      stop(failure.error);
      return 0;
    });
  });
  const sizes = await Promise.all(tasks);
  if (failure !== undefined) throw failure.error;
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function fetchLayer(
  job: LayersToFetch,
  layer: Layer,
  gate: Gate,
  sameBlob: Promise<unknown> | undefined,
  parent: Promise<unknown> | undefined,
): Promise<number> {
  const { context, driver, onProgress } = job;
  const { digest, size } = layer.descriptor;
  const tell = (status: LayerStatus, current: number) =>
    onProgress({ kind: "layer", id: digest, status, current, total: size });
  const isHere = () => hasBlob(context, digest, size);
  let known = unpackedSize(context, driver, layer.chainId);
  if (known !== null && (isHere() || isDropped(context.db(), digest))) {
    tell("exists", size);
    return known;
  }
  tell("waiting", 0);
  await sameBlob;
  if (!isHere()) {
    // Another pull may be at it: then this one has nothing left to do.
    known = await whileFetching(context, digest, job.signal, async () => {
      const bytes = unpackedSize(context, driver, layer.chainId);
      if (isHere()) return bytes;
      const streams = bytes === null && parent === undefined && !driver.needsParent;
      return (await gate.pass(() => download(job, layer, streams, tell))) ?? bytes;
    });
  }
  if (known !== null) {
    tell("done", size);
    return known;
  }
  await parent;
  job.signal?.throwIfAborted();
  tell("extracting", size);
  const bytes = await unpackStored(context, driver, layer);
  tell("done", size);
  return bytes;
}

async function unpackStored(context: Context, driver: Driver, layer: Layer): Promise<number> {
  const fd = openSync(blobPath(context, layer.descriptor.digest), "r");
  try {
    return await unpackBlob(context, driver, layer, fd);
  } finally {
    closeSync(fd);
  }
}

/** Fetch the blob and, if STREAMS, unpack it on the way. Returns the unpacked bytes, or null if it was not unpacked. */
async function download(
  job: LayersToFetch,
  layer: Layer,
  streams: boolean,
  tell: (status: LayerStatus, current: number) => void,
): Promise<number | null> {
  const { context, client, repository, signal } = job;
  const { descriptor } = layer;
  signal?.throwIfAborted();
  const blob = new BlobWriter(context, descriptor.digest, descriptor.size);
  let unpacking: LayerWriter | undefined;
  job.onBlob?.(blob);
  try {
    if (streams) unpacking = await LayerWriter.start(context, job.driver, layer, "stream");
    let corrupt: unknown;
    for await (const chunk of client.streamBlob(repository, descriptor, signal)) {
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
    const [stored, applied] = await Promise.allSettled([blob.finish(), unpacking.finish()]);
    if (stored.status === "rejected") throw stored.reason;
    if (applied.status === "rejected") throw applied.reason;
    return applied.value;
  } finally {
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
