import { EngineError } from "../error";
import {
  type Descriptor,
  type Digest,
  digestOf,
  familiarReference,
  formatReference,
  mediaTypes,
  parseReference,
  type Reference,
  readManifest,
  repositoryOf,
  withDefaultTag,
} from "../oci";
import { type Connecting, pushTarget, type RegistryFlags, RegistryUploader } from "../registry";
import {
  allTags,
  type Context,
  compressedLayer,
  emit,
  insertRepositoryDigest,
  manifestsOfImage,
  noteCompressedLayer,
  repositoriesOfManifest,
  repositoriesWithBlob,
  repositoryDigest,
  tagByName,
  tagsOfImage,
} from "../state";
import { blobPath, hasBlob, readBlob, whileKept } from "../storage";
import { Gate } from "./_gate";
import { compressionOf, hasFormat, type LayerFormat, manifestBytes, recompress } from "./_recompress";
import { withoutContents } from "./_toc-format";
import { completeImage } from "./refetch";
import { lookUp, notFound } from "./stored";

/**
 * From the store to a registry. What was pulled goes out as it came in, byte for byte; only who asks for another compression or another manifest gets other digests. Blobs go all at once,
 * the manifest when every one of them is there.
 */

export type PushStatus = "preparing" | "waiting" | "pushing" | "exists" | "mounted" | "skipped" | "done";

export type PushProgress = {
  kind: "layer";
  /** Digest of the blob. */
  id: string;
  status: PushStatus;
  current: number;
  total: number;
};

export type PushOptions = {
  userAgent: string;
  flags: RegistryFlags;
  /** Where it goes is known; blobs follow. */
  onBegin?: (reference: Reference) => void;
  onProgress?: (progress: PushProgress) => void;
  signal?: AbortSignal | undefined;
  /** Layers that are compressed otherwise are compressed so. */
  compression?: LayerFormat | undefined;
  level?: number | undefined;
  /** Those that are compressed so already are compressed anew. */
  isForced?: boolean;
  /** Type of the manifest; undefined: as it is, where the layers allow it. */
  format?: "oci" | "docker" | undefined;
};

export type Pushed = { reference: Reference; digest: Digest; sizeBytes: number };

const connectionsLimit = 5; // docker's

/**
 * Push the image that TEXT names to TARGET, or to where its own name leads.
 *
 * @throws EngineError, its text beginning `push image: NAME`
 */
export async function pushImage(
  context: Context,
  text: string,
  target: string | undefined,
  options: PushOptions,
): Promise<Pushed> {
  const source = sourceOf(context, text);
  const reference = withDefaultTag(target === undefined ? source.reference : parseReference(target));
  options.onBegin?.(reference);
  try {
    const pushed = await whileKept(context, async () => {
      await completeImage(context, source.imageId, options);
      return push(context, source, reference, options);
    });
    const name = familiarReference(reference);
    emit(context, { Type: "image", Action: "push", ID: name, Attributes: { name } });
    return pushed;
  } catch (error) {
    const { signal } = options;
    if (signal?.aborted && signal.reason instanceof EngineError) throw signal.reason;
    const isOurs = error instanceof EngineError;
    throw new EngineError(
      isOurs ? error.code : "io",
      "push image",
      formatReference(reference),
      error,
      isOurs ? { hint: error.hint, exitCode: 1 } : { exitCode: 1 },
    );
  }
}

/** The full names of every tag that a repository has here. Throws `not-found` where there is none. */
export function tagsOfRepository(context: Context, text: string): string[] {
  const reference = parseReference(text);
  if (reference.tag !== undefined || reference.digest !== undefined) {
    throw new EngineError("invalid", "push image", text, "a tag cannot be used with --all-tags", {
      exitCode: 1,
    });
  }
  const repository = repositoryOf(reference);
  const tags = allTags(context.db()).filter((tag) => tag.repository === repository);
  if (tags.length > 0) return tags.map(({ name }) => name);
  const why = "an image does not exist locally with the tag";
  throw new EngineError("not-found", "push image", text, why, {
    exitCode: 1,
    hint: "list them: proa images",
  });
}

type LocalSource = { imageId: string; manifest: Digest; reference: Reference };

function sourceOf(context: Context, text: string): LocalSource {
  const db = context.db();
  const found = lookUp(context, text);
  if (found === null) throw notFound(text);
  if (found.by === "id") {
    const tag = tagsOfImage(db, found.id)[0];
    const manifest = tag?.manifest ?? manifestsOfImage(db, found.id)[0];
    if (manifest === undefined) throw notFound(text);
    const reference = tag === undefined ? undefined : parseReference(tag.name);
    if (reference !== undefined) return { imageId: found.id, manifest: manifest as Digest, reference };
    throw new EngineError("invalid", "push image", text, "the image has no name: say where it goes", {
      exitCode: 1,
      hint: `proa push ${text} HOST/NAME:TAG`,
    });
  }
  const { reference } = found;
  const row =
    found.by === "digest" && reference.digest !== undefined
      ? repositoryDigest(db, repositoryOf(reference), reference.digest)
      : tagByName(db, formatReference(reference));
  const manifest = row?.manifest ?? manifestsOfImage(db, found.id)[0];
  if (manifest === undefined) throw notFound(text);
  return { imageId: found.id, manifest: manifest as Digest, reference };
}

/** A blob on its way, and what to do with it afterwards. */
type Item = {
  descriptor: Descriptor;
  /** Undefined: the registry has it already. */
  path: string | undefined;
  discard?: () => void;
};

async function push(
  context: Context,
  source: LocalSource,
  reference: Reference,
  options: PushOptions,
): Promise<Pushed> {
  const bytes = readBlob(context, source.manifest);
  const manifest = readManifest(`read manifest: ${source.manifest}`, bytes);
  if (manifest.kind !== "manifest") {
    throw new EngineError("invalid", "read manifest", source.manifest, "an index");
  }
  const connecting: Connecting = {
    env: context.env,
    userAgent: options.userAgent,
    flags: options.flags,
    signal: options.signal,
  };
  const target = pushTarget(reference, connecting);
  const uploader = new RegistryUploader(target.domain, target.options);
  const items = new Map<Digest, Promise<Item | null>>();
  const stop = new AbortController();
  const onAbort = () => stop.abort(options.signal?.reason);
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  const job: Job = {
    context,
    uploader,
    target: target.path,
    domain: target.domain,
    isPulled: repositoriesOfManifest(context.db(), source.manifest).length > 0,
    options,
    signal: stop.signal,
  };
  const gate = new Gate(connectionsLimit);
  try {
    const descriptors = [...manifest.layers, manifest.config];
    const sent = descriptors.map((descriptor) => {
      const known = items.get(descriptor.digest);
      if (known !== undefined) return known;
      const isLayer = descriptor !== manifest.config;
      const task = gate.pass(() => pushBlob(job, descriptor, isLayer));
      items.set(descriptor.digest, task);
      task.catch((error: unknown) => stop.abort(error));
      return task;
    });
    const settled = await Promise.allSettled(sent);
    stop.signal.throwIfAborted();
    const results = settled.map((each) => (each.status === "fulfilled" ? each.value : null));
    const layers = manifest.layers.map((layer, at) => results[at]?.descriptor ?? layer);
    const document = manifestBytes(bytes, manifest, layers, options.format);
    const wanted = reference.tag ?? reference.digest ?? "latest";
    const isOther = reference.tag === undefined && wanted !== digestOf(document.bytes);
    const put = isOther ? digestOf(document.bytes) : wanted;
    const digest = await uploader.putManifest(
      target.path,
      put,
      document.bytes,
      document.mediaType,
      options.signal,
    );
    if (digest === source.manifest) remember(context, source, reference, digest);
    return { reference, digest, sizeBytes: document.bytes.length };
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
    for (const item of await Promise.allSettled(items.values())) {
      if (item.status === "fulfilled") item.value?.discard?.();
    }
  }
}

type Job = {
  context: Context;
  uploader: RegistryUploader;
  /** Repository there. */
  target: string;
  domain: string;
  /** From a registry, where its layers are as they are here. */
  isPulled: boolean;
  options: PushOptions;
  signal: AbortSignal;
};

/** Null for a layer that is not to be distributed: registries refer to where it comes from. */
async function pushBlob(job: Job, descriptor: Descriptor, isLayer: boolean): Promise<Item | null> {
  const { context, options, signal } = job;
  signal.throwIfAborted();
  const tell = (status: PushStatus, current: number) => {
    if (!isLayer) return;
    options.onProgress?.({ kind: "layer", id: descriptor.digest, status, current, total: descriptor.size });
  };
  if (/nondistributable|\.foreign\./.test(descriptor.mediaType)) {
    tell("skipped", 0);
    return null;
  }
  tell("preparing", 0);
  if (!hasBlob(context, descriptor.digest, descriptor.size)) {
    throw new EngineError("not-found", "read blob", descriptor.digest, "it is no longer in the store", {
      hint: "pull the image again",
    });
  }
  const item = await itemFor(job, descriptor, isLayer);
  try {
    signal.throwIfAborted();
    const { digest, size } = item.descriptor;
    if (item.path === undefined) {
      tell("exists", size);
      return item;
    }
    const became = await job.uploader.uploadBlob(job.target, {
      blob: { digest, size, content: Bun.file(item.path) },
      mountFrom: mountableFrom(job, digest),
      onProgress: (bytes) => tell("pushing", bytes),
      signal,
    });
    tell(became === "sent" ? "done" : became, size);
    return item;
  } catch (error) {
    item.discard?.();
    throw error;
  }
}

async function itemFor(job: Job, descriptor: Descriptor, isLayer: boolean): Promise<Item> {
  const { context, options } = job;
  const asIs = { descriptor, path: blobPath(context, descriptor.digest) };
  const { format } = options;
  const has = compressionOf(descriptor.mediaType);
  // Plain tars, as `docker save` and `import` have them, are too large to send; docker's manifests have gzip and nothing else.
  const needsGzip = (has === "none" && !job.isPulled) || (format === "docker" && has !== "gzip");
  const wanted = options.compression ?? (needsGzip ? "gzip" : undefined);
  if (!isLayer || wanted === undefined) return asIs;
  if (hasFormat(descriptor, wanted) && options.isForced !== true) return asIs;
  if (wanted === "zstd:chunked") return recompress(context, descriptor, wanted, options.level);
  const key = `${wanted}${options.level === undefined ? "" : `:${options.level}`}`;
  const known = compressedLayer(context.db(), descriptor.digest, key);
  const mediaType = wanted === "gzip" ? mediaTypes.ociLayerGzip : mediaTypes.ociLayerZstd;
  if (known !== null && (await job.uploader.hasBlob(job.target, known.became as Digest, job.signal))) {
    const { annotations = {}, ...rest } = descriptor;
    const left = withoutContents(annotations);
    const said = Object.keys(left).length > 0 ? { annotations: left } : {};
    const is = { mediaType, digest: known.became as Digest, size: known.size_bytes };
    return { descriptor: { ...rest, ...is, ...said }, path: undefined };
  }
  const made = await recompress(context, descriptor, wanted, options.level);
  const { digest: became, size: size_bytes } = made.descriptor;
  noteCompressedLayer(context.db(), descriptor.digest, key, { became, size_bytes });
  return made;
}

/** Repositories of that registry that we know to have the blob. */
function mountableFrom({ context, domain, target }: Job, digest: Digest): string[] {
  const prefix = `${domain}/`;
  return repositoriesWithBlob(context.db(), digest)
    .filter((repository) => repository.startsWith(prefix))
    .map((repository) => repository.slice(prefix.length))
    .filter((path) => path !== target);
}

/** The registry has it under this digest now: `images --digests` and the next push know it. Where the repository is none of the image's names, nothing is noted. */
function remember(context: Context, source: LocalSource, reference: Reference, digest: Digest): void {
  const db = context.db();
  const repository = repositoryOf(reference);
  if (!tagsOfImage(db, source.imageId).some((tag) => tag.repository === repository)) return;
  if (repositoryDigest(db, repository, digest) !== null) return;
  insertRepositoryDigest(db, { repository, digest, image_id: source.imageId, manifest: source.manifest });
}
