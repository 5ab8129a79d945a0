import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { EngineError } from "../error";
import { type Descriptor, type Digest, Digester, type Manifest, mediaTypes } from "../oci";
import type { Context } from "../state";
import {
  blobPath,
  type CompressionKind,
  compressStream,
  makeIngestFile,
  packingOf,
  readPieces,
  unpacked,
} from "../storage";
import { hasContents, withoutContents } from "./_toc-format";

/** Layers in another compression than the store has them. What comes out is for a registry; the store keeps what it has. */

export type Recompressed = { descriptor: Descriptor; path: string; discard(): void };

/** How a layer is compressed, by its type; undefined for what is none that we know. */
export function compressionOf(mediaType: string): CompressionKind | "none" | undefined {
  if (/[+.]gzip$/.test(mediaType)) return "gzip";
  if (/[+.]zstd$/.test(mediaType)) return "zstd";
  return /\.tar$/.test(mediaType) ? "none" : undefined;
}

/** What a layer can be made of: zstd:chunked is zstd with a table of contents. */
export type LayerFormat = CompressionKind | "zstd:chunked";

/** Whether the layer has the format already. Whoever asks for zstd is served by zstd:chunked, too. */
export function hasFormat(layer: Descriptor, format: LayerFormat): boolean {
  if (format !== "zstd:chunked") return compressionOf(layer.mediaType) === format;
  return compressionOf(layer.mediaType) === "zstd" && hasContents(layer.annotations);
}

/** Compress a layer of the store anew, into a file of its own. */
export async function recompress(
  context: Context,
  layer: Descriptor,
  kind: LayerFormat,
  level: number | undefined,
): Promise<Recompressed> {
  if (kind === "zstd:chunked") return recompressChunked(context, layer, level);
  const from = compressionOf(layer.mediaType);
  if (from === undefined) {
    throw new EngineError("unsupported", "compress layer", layer.digest, `it is "${layer.mediaType}"`);
  }
  const file = makeIngestFile(context);
  try {
    const digester = new Digester("sha256");
    const count = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        digester.update(chunk);
        done(null, chunk);
      },
    });
    const { createGunzip, createZstdDecompress } = await import("node:zlib");
    const undo = from === "gzip" ? [createGunzip()] : from === "zstd" ? [createZstdDecompress()] : [];
    await pipeline([
      createReadStream(blobPath(context, layer.digest), { highWaterMark: 1 << 20 }),
      ...undo,
      await compressStream(kind, level),
      count,
      createWriteStream(file.path, { mode: 0o600 }),
    ]);
    const size = digester.sizeBytes;
    const digest: Digest = digester.finish();
    const mediaType = kind === "gzip" ? mediaTypes.ociLayerGzip : mediaTypes.ociLayerZstd;
    return recompressed(layer, { mediaType, digest, size }, {}, file);
  } catch (error) {
    file.discard();
    throw error instanceof EngineError ? error : new EngineError("io", "compress layer", layer.digest, error);
  }
}

/** What annotations said of the layer as it was is no longer so. */
function recompressed(
  layer: Descriptor,
  is: Pick<Descriptor, "mediaType" | "digest" | "size">,
  added: Record<string, string>,
  file: { path: string; discard(): void },
): Recompressed {
  const { annotations: before = {}, ...rest } = layer;
  const annotations = { ...withoutContents(before), ...added };
  const some = Object.keys(annotations).length > 0 ? { annotations } : {};
  return { descriptor: { ...rest, ...is, ...some }, path: file.path, discard: file.discard };
}

async function recompressChunked(
  context: Context,
  layer: Descriptor,
  level: number | undefined,
): Promise<Recompressed> {
  if (compressionOf(layer.mediaType) === undefined)
    throw new EngineError("unsupported", "compress layer", layer.digest, `it is "${layer.mediaType}"`);
  const { writeChunked } = await import("./_chunked");
  const from = openSync(blobPath(context, layer.digest), "r");
  const file = makeIngestFile(context);
  let to: number | undefined;
  try {
    to = openSync(file.path, "wx", 0o600);
    const target = to;
    const digester = new Digester("sha256");
    const head = new Uint8Array(6);
    readSync(from, head, 0, head.length, 0);
    const what = `compress layer: ${layer.digest}`;
    const tar = unpacked(what, packingOf(head), readPieces(from, 0, fstatSync(from).size));
    const annotations = await writeChunked(tar, level ?? 3, (bytes) => {
      digester.update(bytes);
      for (let done = 0; done < bytes.length; ) done += writeSync(target, bytes, done);
    });
    const size = digester.sizeBytes;
    const is = { mediaType: mediaTypes.ociLayerZstd, digest: digester.finish(), size };
    return recompressed(layer, is, annotations, file);
  } catch (error) {
    file.discard();
    throw error instanceof EngineError ? error : new EngineError("io", "compress layer", layer.digest, error);
  } finally {
    closeSync(from);
    if (to !== undefined) closeSync(to);
  }
}

/** The manifest to put: the one that is here, unless its layers or its type are others. */
export function manifestBytes(
  bytes: Uint8Array,
  manifest: Manifest,
  layers: readonly Descriptor[],
  format: "oci" | "docker" | undefined,
): { bytes: Uint8Array; mediaType: string } {
  const isDocker = manifest.mediaType === mediaTypes.dockerManifest;
  const hasZstd = layers.some(({ mediaType }) => compressionOf(mediaType) === "zstd");
  const wanted = format ?? (isDocker && !hasZstd ? "docker" : "oci"); // zstd is only OCI's
  const isSame = layers.every((layer, at) => layer.digest === manifest.layers[at]?.digest);
  if (isSame && wanted === (isDocker ? "docker" : "oci")) return { bytes, mediaType: manifest.mediaType };
  if (wanted === "docker" && hasZstd) {
    throw new EngineError("unsupported", "write manifest", "--format v2s2", "it has no zstd", {
      hint: "use --format oci, or --compression-format gzip",
    });
  }
  const document = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  const isOci = wanted === "oci";
  const mediaType = isOci ? mediaTypes.ociManifest : mediaTypes.dockerManifest;
  const config = {
    ...(document["config"] as object),
    mediaType: isOci ? mediaTypes.ociConfig : mediaTypes.dockerConfig,
  };
  const old = document["layers"] as Record<string, unknown>[];
  const rewritten = layers.map(({ digest, size, mediaType: type, annotations: own = {} }, at) => {
    const { annotations: _before, ...rest } = old[at] ?? {};
    // docker's manifests have none, and those of a table of contents say nothing of a layer without one
    const annotations = isOci ? own : withoutContents(own);
    return {
      ...rest,
      mediaType: layerType(type, isOci),
      digest,
      size,
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    };
  });
  const { annotations, ...rest } = document;
  const kept = isOci && annotations !== undefined ? { annotations } : {};
  const changed = { ...rest, mediaType, config, layers: rewritten, ...kept };
  return { bytes: new TextEncoder().encode(JSON.stringify(changed)), mediaType };
}

function layerType(mediaType: string, isOci: boolean): string {
  const kind = compressionOf(mediaType);
  if (/nondistributable|\.foreign\./.test(mediaType)) return mediaType;
  if (!isOci) return kind === "gzip" ? mediaTypes.dockerLayerGzip : mediaType;
  if (kind === "gzip") return mediaTypes.ociLayerGzip;
  return kind === "zstd" ? mediaTypes.ociLayerZstd : mediaTypes.ociLayer;
}
