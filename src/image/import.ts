import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { EngineError, reasonOf } from "../error";
import type { Packed } from "../helper";
import { changedConfig, type Digest, Digester, hostPlatform, mediaTypes, type Platform } from "../oci";
import { download } from "../registry";
import { type Context, emit } from "../state";
import {
  announceContent,
  blobPath,
  collectGarbage,
  type Packing,
  packingOf,
  readPieces,
  receiveBlob,
  removeAbandoned,
  selectDriver,
  unpackBlob,
  unpacked,
  unpackedSize,
  whileKept,
} from "../storage";
import { readStream } from "./_box";
import { newName, writeImage } from "./write";

export type ImportOptions = {
  /** null: the image is known by its id alone. */
  name: string | null;
  /** Instructions of a Dockerfile. */
  changes: readonly string[];
  /** Of the image's only step; "": where it came from. */
  message: string;
  /** Default: the host's. */
  platform: Platform | undefined;
  signal?: AbortSignal | undefined;
};

/** Where the files come from: a descriptor, a path, or a URL. */
export type ImportSource = number | string;

/**
 * An image of one layer, made of a tar archive of files, packed or not. gzip and zstd stay as they are, byte for byte; what is packed otherwise is
 * stored plain. Returns the image's id.
 *
 * @throws EngineError its text beginning `import image`; nothing is left then
 */
export async function importImage(
  context: Context,
  source: ImportSource,
  options: ImportOptions,
): Promise<Digest> {
  const shown = typeof source === "number" ? "-" : source.replace(/\/\/[^/@]*@/, "//");
  const what = `import image: ${shown}`;
  try {
    if (options.name !== null) newName(options.name);
    const config = changedConfig({}, options.changes);
    await removeAbandoned(context);
    const id = await whileKept(context, async () => {
      const { packed, mediaType } = await storeLayer(context, what, source, options.signal);
      await unpack(context, packed);
      return writeImage(context, {
        base: null,
        layers: [
          {
            digest: packed.digest as Digest,
            diffId: packed.diffId as Digest,
            storedBytes: packed.storedBytes,
            sizeBytes: packed.sizeBytes,
            mediaType,
          },
        ],
        config,
        author: "",
        comment: options.message === "" ? `Imported from ${shown}` : options.message,
        createdBy: "",
        format: "oci",
        name: options.name,
        platform: options.platform ?? hostPlatform(),
      });
    });
    emit(context, { Type: "image", Action: "import", ID: id, Attributes: { name: options.name ?? id } });
    return id;
  } catch (error) {
    await collectGarbage(context).catch(() => undefined);
    if (options.signal?.aborted && options.signal.reason instanceof EngineError) throw options.signal.reason;
    if (!(error instanceof EngineError)) throw new EngineError("io", what, "", error, { exitCode: 1 });
    const why = reasonOf(error).replace(`${what}: `, "");
    throw new EngineError(error.code, what, "", why, { exitCode: 1, hint: error.hint });
  }
}

type Stored = { packed: Packed; mediaType: string };

async function storeLayer(
  context: Context,
  what: string,
  source: ImportSource,
  signal: AbortSignal | undefined,
): Promise<Stored> {
  const { stream, close } = openSource(context, what, source, signal);
  let packing: Packing = "none";
  try {
    const packed = await receiveBlob(context, async (fd) => {
      const stored = new Digester();
      const keep = (chunk: Uint8Array) => {
        signal?.throwIfAborted();
        stored.update(chunk);
        for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done);
      };
      const begun = await withHead(stream);
      packing = packingOf(begun.head);
      const keepsAsIs = packing === "gzip" || packing === "zstd";
      const plain = new Digester();
      for await (const chunk of unpacked(what, packing, keepsAsIs ? passing(begun.all, keep) : begun.all)) {
        plain.update(chunk);
        if (!keepsAsIs) keep(chunk);
      }
      if (plain.sizeBytes === 0) throw new EngineError("invalid", what, "", "it is empty", { exitCode: 1 });
      const [sizeBytes, storedBytes] = [plain.sizeBytes, stored.sizeBytes];
      return { entries: 0, sizeBytes, storedBytes, diffId: plain.finish(), digest: stored.finish() };
    });
    return { packed, mediaType: typeOf(packing) };
  } finally {
    close();
  }
}

function typeOf(packing: Packing): string {
  if (packing === "gzip") return mediaTypes.ociLayerGzip;
  return packing === "zstd" ? mediaTypes.ociLayerZstd : mediaTypes.ociLayer;
}

/** The layer on the disk, which shows as well that it is an archive of files. */
async function unpack(context: Context, packed: Packed): Promise<void> {
  const { driver } = await selectDriver(context);
  const diffId = packed.diffId as Digest;
  if (unpackedSize(context, driver, diffId) !== null) return;
  announceContent(context, [], [diffId]);
  const fd = openSync(blobPath(context, packed.digest as Digest), constants.O_RDONLY);
  try {
    await unpackBlob(context, driver, { chainId: diffId, diffId, parent: undefined }, fd);
  } finally {
    closeSync(fd);
  }
}

type Opened = { stream: AsyncGenerator<Uint8Array, void>; close: () => void };

function openSource(
  context: Context,
  what: string,
  source: ImportSource,
  signal: AbortSignal | undefined,
): Opened {
  if (typeof source === "string" && /^https?:\/\//i.test(source))
    return { stream: download(context.env, source, signal), close: () => undefined };
  let fd: number;
  try {
    fd = typeof source === "number" ? source : openSync(source, constants.O_RDONLY);
  } catch (error) {
    throw new EngineError("io", what, "", error, { exitCode: 1 });
  }
  const close = () => {
    if (typeof source === "string") closeSync(fd);
  };
  const stat = fstatSync(fd);
  if (stat.isDirectory()) {
    close();
    throw new EngineError("invalid", what, "", "is a directory", {
      exitCode: 1,
      hint: "tar -C DIRECTORY -c . | proa import -",
    });
  }
  return { stream: stat.isFile() ? readPieces(fd, 0, stat.size) : readStream(fd, signal), close };
}

/** The first bytes of a stream, and all of it. */
async function withHead(
  stream: AsyncGenerator<Uint8Array, void>,
): Promise<{ head: Uint8Array; all: AsyncGenerator<Uint8Array, void> }> {
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 6) {
    const { done, value } = await stream.next();
    if (done) break;
    head = new Uint8Array(Buffer.concat([head, value]));
  }
  const begin = head;
  const all = (async function* () {
    if (begin.length > 0) yield begin;
    yield* stream;
  })();
  return { head, all };
}

async function* passing(
  stream: AsyncIterable<Uint8Array>,
  look: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of stream) {
    look(chunk);
    yield chunk;
  }
}
