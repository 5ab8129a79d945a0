/** A manifest list on its way to a registry: its entries' blobs and manifests first, the index last, so that nobody sees it half there. */
import { EngineError } from "../error";
import {
  type Descriptor,
  type Digest,
  formatReference,
  mediaTypes,
  parseReference,
  readManifest,
  withDefaultTag,
} from "../oci";
import { pushTarget, RegistryUploader } from "../registry";
import type { Context } from "../state";
import {
  announceContent,
  BlobWriter,
  blobPath,
  collectGarbage,
  hasBlob,
  readBlob,
  whileKept,
} from "../storage";
import { type Asking, clientFor, indexDocument, type ListEntry, type ManifestList } from "./manifest-list";

export type ListPushOptions = Asking & {
  /** The media type of the index; undefined: as the list has it. */
  format: "oci" | "v2s2" | undefined;
  /** The images, too. */
  entries: boolean;
};

type Target = { uploader: RegistryUploader; domain: string; path: string };

const parallelBlobs = 3;

/**
 * Push LIST under the name TO.
 *
 * @returns the digest of the index
 */
export async function pushList(
  context: Context,
  list: ManifestList,
  to: string,
  options: ListPushOptions,
): Promise<{ name: string; digest: Digest }> {
  const reference = withDefaultTag(parseReference(to));
  if (reference.tag === undefined) {
    throw new EngineError("invalid", "push manifest list", to, "it needs a tag, not a digest", {
      exitCode: 125,
    });
  }
  const { env } = context;
  const place = pushTarget(reference, { env, ...options });
  const uploader = new RegistryUploader(place.domain, place.options);
  const target = { uploader, domain: place.domain, path: place.path };
  const mediaType = { oci: mediaTypes.ociIndex, v2s2: mediaTypes.dockerIndex, same: list.document.mediaType }[
    options.format ?? "same"
  ];
  const digest = await whileKept(context, async () => {
    for (const entry of options.entries ? list.document.entries : [])
      await pushEntry(context, target, entry, options);
    const index = { ...list, document: { ...list.document, mediaType } };
    const bytes = new TextEncoder().encode(JSON.stringify(indexDocument(index)));
    const { tag = "latest" } = reference;
    return target.uploader.putManifest(target.path, tag, bytes, mediaType, options.signal);
  });
  await collectGarbage(context); // what was only passing through
  return { name: formatReference(reference), digest };
}

async function pushEntry(
  context: Context,
  target: Target,
  entry: ListEntry,
  options: ListPushOptions,
): Promise<void> {
  const from = entry.source === undefined ? undefined : sourceOf(context, entry.source, options);
  const bytes =
    from === undefined
      ? readBlob(context, entry.digest as Digest)
      : (await from.client.fetchManifest(from.path, entry.digest, options.signal)).bytes;
  const manifest = readManifest(`read manifest: ${entry.digest}`, bytes, entry.mediaType);
  if (manifest.kind !== "manifest") {
    throw new EngineError(
      "unsupported",
      "push manifest list",
      entry.digest,
      "it is an index within the index",
      {
        exitCode: 125,
      },
    );
  }
  const blobs = [manifest.config, ...manifest.layers].filter(({ urls }) => urls === undefined); // foreign layers stay where they are
  const todo = blobs.values();
  const worker = async (): Promise<void> => {
    for (const blob of todo) await pushBlob(context, target, blob, from, options);
  };
  await Promise.all(Array.from({ length: parallelBlobs }, worker));
  await target.uploader.putManifest(target.path, entry.digest, bytes, entry.mediaType, options.signal);
}

type From = ReturnType<typeof clientFor>;

function sourceOf(context: Context, source: string, options: ListPushOptions): From {
  return clientFor(context, parseReference(source), options);
}

async function pushBlob(
  context: Context,
  { uploader, domain, path }: Target,
  blob: Descriptor,
  from: From | undefined,
  { signal }: ListPushOptions,
): Promise<void> {
  const { digest, size } = blob;
  const upload = (mountFrom: readonly string[]) =>
    uploader.uploadBlob(path, {
      blob: { digest, size, content: Bun.file(blobPath(context, digest)) },
      mountFrom,
      signal,
    });
  if (from === undefined || hasBlob(context, digest, size)) {
    await upload([]);
    return;
  }
  const isSame = from.client.domain === domain;
  if (isSame && from.path === path) return;
  if (isSame) {
    try {
      await upload([from.path]); // where the registry mounts it, nothing has to be fetched
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof EngineError && error.code === "unauthorized") throw error;
    }
  }
  await fetchThrough(context, from, blob, signal);
  await upload([]);
}

/** Into the store as garbage: it is there for the upload, and goes with the next collection. */
async function fetchThrough(
  context: Context,
  from: From,
  blob: Descriptor,
  signal: AbortSignal | undefined,
): Promise<void> {
  announceContent(context, [blob.digest], []);
  const writer = new BlobWriter(context, blob.digest, blob.size);
  try {
    for await (const chunk of from.client.streamBlob(from.path, blob, signal)) writer.write(chunk);
    await writer.finish();
  } finally {
    writer.close();
  }
}
