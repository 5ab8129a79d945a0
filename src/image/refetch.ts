/** Bringing back blobs that the store no longer has, or has wrongly, from where their image came from. */
import { EngineError } from "../error";
import { type Descriptor, type Digest, parseReference, readManifest } from "../oci";
import { pullSources, RegistryClient } from "../registry";
import {
  allBlobUses,
  type Context,
  deleteDropped,
  droppedBlobs,
  isDropped,
  manifestsOfImage,
  repositoriesOfManifest,
} from "../state";
import { BlobWriter, hasBlob, readBlob, whileKept, writeBlob } from "../storage";

export type RefetchOptions = {
  /** What the registry sees of us: `proa/0.1.0`. */
  userAgent?: string;
  signal?: AbortSignal | undefined;
};

/**
 * Fetch a blob again: from each repository that a manifest which holds it is known by, until one has it. A file that is there under its name is replaced.
 *
 * @throws EngineError `not-found` where no repository is known; else what the last one said
 */
export async function refetchBlob(
  context: Context,
  digest: Digest,
  options: RefetchOptions = {},
): Promise<void> {
  const uses = allBlobUses(context.db()).filter((use) => use.digest === digest);
  let failure: unknown;
  for (const { manifest } of uses) {
    for (const repository of repositoriesOfManifest(context.db(), manifest)) {
      try {
        await whileKept(context, () => fetchFrom(context, repository, manifest as Digest, digest, options));
        deleteDropped(context.db(), digest);
        return;
      } catch (error) {
        options.signal?.throwIfAborted();
        failure = error;
      }
    }
  }
  if (failure !== undefined) throw failure;
  throw new EngineError("not-found", "fetch blob", digest, "its image came from no registry", {
    exitCode: 1,
  });
}

async function fetchFrom(
  context: Context,
  repository: string,
  manifest: Digest,
  digest: Digest,
  options: RefetchOptions,
): Promise<void> {
  const reference = { ...parseReference(repository), tag: undefined, digest: manifest };
  const sources = pullSources(reference, {
    env: context.env,
    userAgent: options.userAgent ?? "proa",
    flags: {},
    signal: options.signal,
  });
  let failure: unknown;
  for (const source of sources) {
    try {
      const client = new RegistryClient(source.domain, source.options);
      return await fetchBlob(context, client, source.path, manifest, digest, options.signal);
    } catch (error) {
      options.signal?.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}

async function fetchBlob(
  context: Context,
  client: RegistryClient,
  path: string,
  manifest: Digest,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const blob = descriptorOf(context, manifest, digest);
  if (blob === undefined) {
    const { bytes } = await client.fetchManifest(path, digest, signal); // the manifest itself, or the index that led to it
    writeBlob(context, bytes, { digest, isReplacing: true });
    return;
  }
  const writer = new BlobWriter(context, blob.digest, blob.size);
  try {
    for await (const chunk of client.streamBlob(path, blob, signal)) writer.write(chunk);
    await writer.finish();
  } finally {
    writer.close();
  }
}

/** The config or the layer of MANIFEST that has this digest; undefined where it is neither, or the manifest cannot be read. */
function descriptorOf(context: Context, manifest: Digest, digest: Digest): Descriptor | undefined {
  if (digest === manifest) return undefined;
  try {
    const document = readManifest(`read manifest: ${manifest}`, readBlob(context, manifest));
    if (document.kind === "index") return undefined;
    return [document.config, ...document.layers].find((each) => each.digest === digest);
  } catch {
    return undefined; // damaged, too: it is fetched first
  }
}

/**
 * Bring back the blobs of an image that were given up (`system prune --blobs`), for whoever needs its layers as they came: push, save. Does nothing where
 * all are here.
 */
export async function completeImage(
  context: Context,
  imageId: string,
  options: RefetchOptions = {},
): Promise<void> {
  if (droppedBlobs(context.db()).size === 0) return;
  for (const manifest of manifestsOfImage(context.db(), imageId)) {
    if (!hasBlob(context, manifest as Digest)) continue;
    const document = readManifest(`read manifest: ${manifest}`, readBlob(context, manifest as Digest));
    if (document.kind === "index") continue;
    for (const { digest, size } of document.layers) {
      if (!hasBlob(context, digest, size) && isDropped(context.db(), digest))
        await refetchBlob(context, digest, options);
    }
  }
}
