import type { Transform } from "node:stream";
import { EngineError, reasonOf } from "../error";

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

export type Packing = "none" | "gzip" | "zstd" | "xz" | "bzip2";

/** How a stream is packed, by its first bytes. */
export function packingOf(head: Uint8Array): Packing {
  const begins = (...bytes: number[]) => bytes.every((byte, at) => head[at] === byte);
  if (begins(0x1f, 0x8b)) return "gzip";
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return "xz";
  return begins(0x42, 0x5a, 0x68) ? "bzip2" : "none";
}

/**
 * What is in a stream that is packed so. xz and bzip2 are unpacked by the programs of these names.
 *
 * @throws EngineError `invalid` where the stream is damaged or ends early, `unsupported` where the program is not installed
 */
export async function* unpacked(
  what: string,
  packing: Packing,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  if (packing === "none") {
    yield* source;
  } else if (packing === "gzip" || packing === "zstd") {
    const { createGunzip, createZstdDecompress } = await import("node:zlib");
    const { Readable, pipeline } = await import("node:stream");
    const through = (packing === "gzip" ? createGunzip : createZstdDecompress)({ chunkSize: chunkBytes });
    let sourceError: unknown;
    const watched = watch(source, (error) => {
      sourceError = error;
    });
    pipeline(Readable.from(watched, { objectMode: true }), through, () => undefined); // the error comes to the reader
    try {
      for await (const chunk of through) yield chunk as Uint8Array;
    } catch (error) {
      if (sourceError !== undefined) throw sourceError;
      throw new EngineError("invalid", what, "", `damaged ${packing}: ${reasonOf(error)}`, { exitCode: 1 });
    }
  } else {
    yield* throughProgram(what, packing, source);
  }
}

async function* watch(
  source: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* source;
  } catch (error) {
    onError(error);
    throw error;
  }
}

async function* throughProgram(
  what: string,
  program: "xz" | "bzip2",
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  const path = Bun.which(program);
  if (path === null) {
    throw new EngineError("unsupported", what, "", `packed with ${program}, which is not installed here`, {
      exitCode: 1,
      hint: `install ${program === "xz" ? "xz-utils" : program}, or unpack the file first`,
    });
  }
  const child = Bun.spawn([path, "-dc"], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  let sourceError: unknown;
  const feeding = (async () => {
    try {
      for await (const chunk of source) {
        child.stdin.write(chunk);
        await child.stdin.flush();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EPIPE") sourceError = error; // else the program's own words tell why
    }
    await Promise.resolve(child.stdin.end()).catch(() => undefined);
  })();
  const said = child.stderr.text();
  try {
    for await (const chunk of child.stdout) yield chunk;
    await feeding;
    if (sourceError !== undefined) throw sourceError;
    if ((await child.exited) !== 0) {
      const why = `damaged ${program}: ${(await said).trim().split("\n")[0] ?? ""}`;
      throw new EngineError("invalid", what, "", why, { exitCode: 1 });
    }
  } finally {
    child.kill();
  }
}
