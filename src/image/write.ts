/** Images that are made here: their config, manifest and name written beside layers that are in the store already. */
import { EngineError } from "../error";
import {
  type ConfigDocument,
  chainIdsOf,
  type Descriptor,
  type Digest,
  digestOf,
  formatReference,
  hostPlatform,
  mediaTypes,
  type Platform,
  parseReference,
  readImageConfig,
  readManifest,
  repositoryOf,
  withDefaultTag,
} from "../oci";
import {
  type Context,
  imageConfig,
  imageById as imageRowById,
  insertImage,
  manifestsOfImage,
} from "../state";
import { announceContent, ensureLayout, hasBlob, projectIndex, readBlob, writeBlob } from "../storage";
import { imageRow, layerRows } from "./_rows";
import { completeImage } from "./refetch";

/** A layer whose blob is in the store. */
export type NewLayer = {
  digest: Digest;
  diffId: Digest;
  /** Bytes of the blob, and of the tar in it. */
  storedBytes: number;
  sizeBytes: number;
  /** Default: compressed with gzip. */
  mediaType?: string;
};

export type NewImage = {
  /** What it builds on; null: nothing but the new layers. */
  base: { readonly id: string } | null;
  layers: readonly NewLayer[];
  config: ConfigDocument;
  author: string;
  comment: string;
  createdBy: string;
  format: "oci" | "docker";
  /** As the user typed it; null: it is known by its id alone. */
  name: string | null;
  /** Default: that of the base, or the host's. */
  platform?: Platform;
};

/** The name that an image gets: complete, with a tag. Throws `invalid`. */
export function newName(text: string): { name: string; repository: string } {
  const reference = withDefaultTag(parseReference(text));
  if (reference.digest !== undefined) {
    throw new EngineError("invalid", "name image", text, "a new image cannot have a digest in its name", {
      exitCode: 1,
    });
  }
  return { name: formatReference(reference), repository: repositoryOf(reference) };
}

/** Write it down. To be called within `whileKept()`, as everything that refers to content. Returns the image's id. */
export async function writeImage(context: Context, made: NewImage): Promise<Digest> {
  if (made.base !== null) await completeImage(context, made.base.id);
  const base = made.base === null ? null : baseOf(context, made.base.id);
  const config = new TextEncoder().encode(JSON.stringify(configDocument(context, made, base)));
  const read = readImageConfig("new image", config);
  const descriptors = [...(base?.layers ?? []), ...made.layers.map(descriptorOf)];
  const manifest = new TextEncoder().encode(
    JSON.stringify(manifestDocument(made.format, config, descriptors)),
  );
  const id = digestOf(config);
  const blobs = [id, digestOf(manifest), ...descriptors.map(({ digest }) => digest)];
  ensureLayout(context);
  announceContent(context, blobs, chainIdsOf(read.diffIds));
  writeBlob(context, config);
  writeBlob(context, manifest);
  const sizeBytes = made.layers.reduce((sum, layer) => sum + layer.sizeBytes, base?.sizeBytes ?? 0);
  insertImage(context.db(), {
    image: imageRow(id, read, sizeBytes),
    config: new TextDecoder().decode(config),
    layers: layerRows(read),
    manifest: {
      digest: digestOf(manifest),
      mediaType: typesOf(made.format).manifest,
      sizeBytes: manifest.length,
    },
    blobs,
    tags: made.name === null ? [] : [newName(made.name)],
    repositoryDigests: [],
    nowMs: context.now(),
  });
  await projectIndex(context);
  return id;
}

type Base = { document: Record<string, unknown>; layers: Descriptor[]; sizeBytes: number };

/** Config and layers of an image that is here, blobs and all. */
function baseOf(context: Context, id: string): Base {
  const db = context.db();
  const text = imageConfig(db, id);
  const row = imageRowById(db, id);
  if (text === null || row === null) {
    throw new EngineError("not-found", "No such image", id, "image not known", { exitCode: 1 });
  }
  const document = JSON.parse(text) as Record<string, unknown>;
  for (const digest of manifestsOfImage(db, id)) {
    if (!hasBlob(context, digest as Digest)) continue;
    const manifest = readManifest(`read manifest: ${digest}`, readBlob(context, digest as Digest));
    if (manifest.kind !== "manifest") continue;
    if (!manifest.layers.every((layer) => hasBlob(context, layer.digest, layer.size))) continue;
    return { document, layers: manifest.layers, sizeBytes: row.size_bytes };
  }
  throw new EngineError("not-found", "find image", id, "its layers are no longer in the store", {
    exitCode: 1,
    hint: "pull the image again",
  });
}

function descriptorOf(layer: NewLayer): Descriptor {
  const mediaType = layer.mediaType ?? mediaTypes.ociLayerGzip;
  return { mediaType, digest: layer.digest, size: layer.storedBytes };
}

function typesOf(format: "oci" | "docker"): { manifest: string; config: string } {
  return format === "oci"
    ? { manifest: mediaTypes.ociManifest, config: mediaTypes.ociConfig }
    : { manifest: mediaTypes.dockerManifest, config: mediaTypes.dockerConfig };
}

function manifestDocument(
  format: "oci" | "docker",
  config: Uint8Array,
  layers: readonly Descriptor[],
): object {
  const types = typesOf(format);
  return {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: { mediaType: types.config, digest: digestOf(config), size: config.length },
    layers: layers.map(({ mediaType, digest, size }) => ({
      mediaType: layerType(format, mediaType),
      digest,
      size,
    })),
  };
}

/** The same bytes under the other format's name. Docker's has none for what is not gzip. */
function layerType(format: "oci" | "docker", mediaType: string): string {
  const isGzip = mediaType === mediaTypes.ociLayerGzip || mediaType === mediaTypes.dockerLayerGzip;
  if (isGzip) return format === "oci" ? mediaTypes.ociLayerGzip : mediaTypes.dockerLayerGzip;
  if (format === "oci") {
    if (/zstd?$/.test(mediaType)) return mediaTypes.ociLayerZstd;
    return /\.tar$/.test(mediaType) ? mediaTypes.ociLayer : mediaType;
  }
  throw new EngineError(
    "unsupported",
    "write image",
    "--format docker",
    `a layer of the image is "${mediaType}"`,
    {
      exitCode: 1,
      hint: "use --format oci",
    },
  );
}

function configDocument(context: Context, made: NewImage, base: Base | null): object {
  const created = new Date(context.now()).toISOString();
  const { os, architecture, variant } = made.platform ?? hostPlatform();
  const { container: _container, container_config: _config, ...kept } = base?.document ?? {};
  const rootfs = kept["rootfs"] as { diff_ids?: string[] } | undefined;
  const history = {
    created,
    ...(made.createdBy === "" ? {} : { created_by: made.createdBy }),
    ...(made.author === "" ? {} : { author: made.author }),
    ...(made.comment === "" ? {} : { comment: made.comment }),
  };
  return {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...kept,
    created,
    ...(made.author === "" ? {} : { author: made.author }),
    config: made.config,
    rootfs: {
      type: "layers",
      diff_ids: [...(rootfs?.diff_ids ?? []), ...made.layers.map(({ diffId }) => diffId)],
    },
    history: [...((kept["history"] as object[] | undefined) ?? []), history],
  };
}
