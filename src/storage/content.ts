import {
  closeSync,
  existsSync,
  fstatSync,
  fsync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { flock, LOCK_EX, LOCK_NB } from "../helper";
import {
  algorithmOf,
  type Digest,
  Digester,
  digestOf,
  hexOf,
  mediaTypes,
  mismatch,
  verifyBytes,
} from "../oci";
import { type Context, indexEntries, makePrivateDirectory } from "../state";
import { makeTemporary } from "./_temporary";

/**
 * The content store: an OCI image layout (image-layout.md of the OCI image spec) that other tools can read. A blob appears whole or
 * not at all: temporary name, size and digest checked while it is written, fsync, rename. index.json is made from the tag table.
 */

/** fsync(2) without holding up the streams; node:util's promisify would cost each start its loading. */
const fsyncAsync = (fd: number): Promise<void> =>
  new Promise((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())));
const LAYOUT = '{"imageLayoutVersion":"1.0.0"}';

/** Blobs on their way; beside `blobs/`, on the same file system. */
export function ingestDirectory(context: Context): string {
  return join(context.paths.images, "ingest");
}

export function blobPath(context: Context, digest: Digest): string {
  return join(context.paths.images, "blobs", algorithmOf(digest), hexOf(digest));
}

/** Make the layout where it is not there yet. Idempotent, safe beside other processes. */
export function ensureLayout(context: Context): void {
  const root = context.paths.images;
  const marker = join(root, "oci-layout");
  if (existsSync(marker)) return;
  makePrivateDirectory(context.paths.data, context.uid);
  try {
    mkdirSync(join(root, "blobs", "sha256"), { recursive: true, mode: 0o755 });
    mkdirSync(ingestDirectory(context), { recursive: true, mode: 0o700 });
    if (!existsSync(join(root, "index.json"))) replaceFile(join(root, "index.json"), emptyIndex());
    replaceFile(marker, LAYOUT); // last: it says that the rest is there
  } catch (error) {
    throw new EngineError("io", "make image store", root, error);
  }
}

/** Whether the blob is in the store; with a size in bytes, only if it has that size (a power cut can leave less). */
export function hasBlob(context: Context, digest: Digest, sizeBytes?: number): boolean {
  const stat = statSync(blobPath(context, digest), { throwIfNoEntry: false });
  return stat !== undefined && (sizeBytes === undefined || stat.size === sizeBytes);
}

/** A small blob (manifest, config), checked against its digest. Throws `not-found` or `digest-mismatch`. */
export function readBlob(context: Context, digest: Digest): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(blobPath(context, digest));
  } catch (error) {
    throw new EngineError("not-found", "read blob", digest, error, { hint: "pull the image again" });
  }
  verifyBytes("read blob", bytes, digest);
  return bytes;
}

export type WriteOptions = {
  /** Checked; without it the digest is taken. */
  digest?: Digest;
  /** False: what can be made again at any time need not wait for the disk. */
  isDurable?: boolean;
  /** A file that is there already is not trusted. */
  isReplacing?: boolean;
};

/** Store bytes at hand. Returns their digest. */
export function writeBlob(context: Context, bytes: Uint8Array, options: WriteOptions = {}): Digest {
  if (options.digest !== undefined) verifyBytes("store blob", bytes, options.digest);
  const digest = options.digest ?? digestOf(bytes);
  if (options.isReplacing !== true && hasBlob(context, digest, bytes.length)) return digest;
  const writer = new BlobWriter(context, digest, bytes.length);
  try {
    writer.write(bytes);
    writer.finishSync(options.isDurable ?? true);
  } finally {
    writer.close();
  }
  return digest;
}

/**
 * Writes one blob from a stream. The writes go to the page cache and do not wait for the disk; `finish()` does, beside the event loop.
 * `close()` must be called in the end: it leaves nothing behind unless the blob was finished.
 */
export class BlobWriter {
  readonly #fd: number;
  readonly #temporary;
  readonly #digester: Digester;
  readonly #path: string;
  #isClosed = false;

  constructor(
    context: Context,
    readonly digest: Digest,
    readonly expectedBytes: number | undefined,
  ) {
    this.#path = blobPath(context, digest);
    this.#digester = new Digester(algorithmOf(digest));
    const what = `store blob: ${digest}`;
    try {
      mkdirSync(join(context.paths.images, "blobs", algorithmOf(digest)), { recursive: true });
      this.#temporary = makeTemporary(ingestDirectory(context));
      this.#fd = openSync(this.#temporary.path, "wx+", 0o644);
    } catch (error) {
      throw new EngineError("io", what, "", error, hintForSpace(error));
    }
  }

  /** Bytes written so far. */
  get sizeBytes(): number {
    return this.#digester.sizeBytes;
  }

  /** What was written already: SIZE bytes from FROM on, or null where they have not come yet. Not after `close()`. */
  readBack(from: number, size: number): Uint8Array | null {
    if (this.#isClosed || from + size > this.sizeBytes) return null;
    const bytes = new Uint8Array(size);
    for (let done = 0; done < size; ) {
      const got = readSync(this.#fd, bytes, done, size - done, from + done);
      if (got === 0) return null;
      done += got;
    }
    return bytes;
  }

  /** Throws as soon as more comes than was promised, and when the disk is full. */
  write(chunk: Uint8Array): void {
    if (this.expectedBytes !== undefined && this.sizeBytes + chunk.length > this.expectedBytes) {
      const why = `more than the ${this.expectedBytes} bytes that were announced`;
      throw new EngineError("digest-mismatch", `store blob: ${this.digest}`, "", why);
    }
    try {
      for (let done = 0; done < chunk.length; ) done += writeSync(this.#fd, chunk, done);
    } catch (error) {
      throw new EngineError("io", `store blob: ${this.digest}`, "", error, hintForSpace(error));
    }
    this.#digester.update(chunk);
  }

  /** Check, sync, and make the blob visible. */
  async finish(): Promise<void> {
    this.#verify();
    await this.#guard(() => fsyncAsync(this.#fd));
    await this.#guard(() => renameSync(this.#temporary.path, this.#path));
  }

  finishSync(isDurable: boolean): void {
    this.#verify();
    try {
      if (isDurable) fsyncSync(this.#fd);
      renameSync(this.#temporary.path, this.#path);
    } catch (error) {
      throw new EngineError("io", `store blob: ${this.digest}`, "", error, hintForSpace(error));
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#fd);
    try {
      unlinkSync(this.#temporary.path);
    } catch {
      // it was renamed
    }
    this.#temporary.release();
  }

  #verify(): void {
    const sizeBytes = this.sizeBytes;
    if (this.expectedBytes !== undefined && sizeBytes !== this.expectedBytes) {
      const why = `${sizeBytes} bytes came, ${this.expectedBytes} were expected`;
      throw new EngineError("digest-mismatch", `store blob: ${this.digest}`, "", why);
    }
    const came = this.#digester.finish();
    if (came !== this.digest) throw mismatch("store blob", this.digest, came, sizeBytes);
  }

  async #guard(step: () => void | Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      throw new EngineError("io", `store blob: ${this.digest}`, "", error, hintForSpace(error));
    }
  }
}

/** A file of one's own beside the blobs on their way; who is killed leaves it to the next cleaner. */
export function makeIngestFile(context: Context): { path: string; discard(): void } {
  ensureLayout(context);
  const temporary = makeTemporary(ingestDirectory(context));
  const discard = (): void => {
    try {
      unlinkSync(temporary.path);
    } catch {
      // never written
    }
    temporary.release();
  };
  return { path: temporary.path, discard };
}

/** What to do about a full disk. */
export function hintForSpace(error: unknown): { hint?: string } {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOSPC" || code === "EDQUOT"
    ? { hint: "free some space, for example with `proa rmi`" }
    : {};
}

/** Lock the file at PATH for writing index.json. The lock goes with the descriptor. */
async function lockFile(path: string): Promise<number> {
  const fd = openSync(path, "a", 0o600);
  while (!flock(fd, LOCK_EX | LOCK_NB)) await Bun.sleep(2); // held for one small file's write
  return fd;
}

/**
 * Bring index.json in line with the tag table. Called after the rows are committed: a crash in between leaves an older list, which the
 * next change puts right. Tags are read under the lock, so the last writer writes the newest.
 */
export async function projectIndex(context: Context): Promise<void> {
  ensureLayout(context);
  const fd = await lockFile(join(context.paths.images, "index.json.lock"));
  try {
    const manifests = indexEntries(context.db()).map((row) => ({
      mediaType: row.media_type,
      digest: row.manifest,
      size: row.size_bytes,
      ...(row.name === "" ? {} : { annotations: { "org.opencontainers.image.ref.name": row.name } }),
    }));
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
    replaceFile(join(context.paths.images, "index.json"), JSON.stringify(index));
  } catch (error) {
    throw new EngineError("io", "write index of images", context.paths.images, error);
  } finally {
    closeSync(fd);
  }
}

function emptyIndex(): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] });
}

/**
 * Put TEXT in place of the file, whole or not at all. Not synced: both files are made again from the database, and ext4, xfs and btrfs
 * write a file before the rename that shows it.
 */
function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    writeFileSync(temporary, text, { mode: 0o644, flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // it was never made
    }
    throw error;
  }
}

/** Bytes of a file that is open. */
export function sizeOf(fd: number): number {
  return fstatSync(fd).size;
}
