import { createReadStream, createWriteStream } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { EngineError } from "../error";
import { type Descriptor, type Digest, Digester, mediaTypes } from "../oci";
import type { Context } from "../state";
import { blobPath, type CompressionKind, compressStream, makeIngestFile } from "../storage";

/** Layers in another compression than the store has them. What comes out is for a registry; the store keeps what it has. */

export type Recompressed = { descriptor: Descriptor; path: string; discard(): void };

/** How a layer is compressed, by its type; undefined for what is none that we know. */
export function compressionOf(mediaType: string): CompressionKind | "none" | undefined {
  if (/[+.]gzip$/.test(mediaType)) return "gzip";
  if (/[+.]zstd$/.test(mediaType)) return "zstd";
  return /\.tar$/.test(mediaType) ? "none" : undefined;
}

/** Compress a layer of the store anew, into a file of its own. */
export async function recompress(
  context: Context,
  layer: Descriptor,
  kind: CompressionKind,
  level: number | undefined,
): Promise<Recompressed> {
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
    return { descriptor: { ...layer, mediaType, digest, size }, path: file.path, discard: file.discard };
  } catch (error) {
    file.discard();
    throw error instanceof EngineError ? error : new EngineError("io", "compress layer", layer.digest, error);
  }
}
