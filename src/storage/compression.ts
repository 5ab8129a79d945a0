import type { Transform } from "node:stream";
import { EngineError } from "../error";

/** Compressors for layers that leave this store. Both modules are heavy and loaded by the command that compresses. */

export type CompressionKind = "gzip" | "zstd";

const levels = { gzip: { least: 1, most: 9, usual: 6 }, zstd: { least: 1, most: 22, usual: 3 } } as const;

const chunkBytes = 1 << 20; // the default of 16 KiB is half as fast

/**
 * A stream that compresses what is written to it, in one gzip member or zstd frame.
 *
 * @param level gzip 1 to 9, zstd 1 to 22; each format's usual one when not given
 * @throws EngineError `invalid` for a level that the format does not have
 */
export async function compressStream(kind: CompressionKind, level?: number): Promise<Transform> {
  const { least, most, usual } = levels[kind];
  const chosen = level ?? usual;
  if (!Number.isInteger(chosen) || chosen < least || chosen > most) {
    throw new EngineError(
      "invalid",
      "compress",
      `${kind} level ${chosen}`,
      `the levels are ${least} to ${most}`,
    );
  }
  if (kind === "gzip") {
    const { createGzip } = await import("node:zlib");
    return createGzip({ level: chosen, chunkSize: chunkBytes });
  }
  const { CompressStream } = await import("zstd-napi");
  return new CompressStream({ compressionLevel: chosen, checksumFlag: true });
}

/** The zstd library inside, as it calls itself: "1.5.7". */
export async function zstdVersion(): Promise<string> {
  const { versionString } = await import("zstd-napi/binding");
  return versionString();
}
