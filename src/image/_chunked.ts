import { EngineError } from "../error";
import { digestOf } from "../oci";
import { readTar, type TarEntry } from "./_tar-stream";
import {
  CHUNKED_FOOTER_BYTES,
  CHUNKED_MAGIC,
  chunkedAnnotations,
  type RawEntry,
  SKIPPABLE,
  SKIPPABLE_HEADER_BYTES,
} from "./_toc-format";

/**
 * Writing zstd:chunked: a tar archive in many zstd frames, so that each file's bytes begin with a frame of their own and can be fetched alone; large files are several.
 * The list of the files follows in a frame that decoders skip, and a footer in another. Whoever knows nothing of it decompresses the same tar.
 */

const chunkBytes = 1 << 20; // of a large file: what a read of a few bytes costs at most
const rawLimitBytes = 1 << 20; // headers that are kept until they are compressed
const entriesLimit = 1_000_000;
const typeNames: Record<string, string> = {
  "0": "reg",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "dir",
  "6": "fifo",
};

/**
 * Compress the tar that SOURCE streams.
 *
 * @param write takes what it is given before it returns, or a promise that does
 * @returns the annotations that the layer's descriptor needs; none where the archive has what a list cannot say, and then it is a plain zstd layer
 * @throws EngineError `invalid` for what is no tar
 */
export async function writeChunked(
  source: AsyncIterable<Uint8Array>,
  level: number,
  write: (bytes: Uint8Array) => void | Promise<void>,
): Promise<Record<string, string>> {
  if (!Number.isInteger(level) || level < 1 || level > 22)
    throw new EngineError("invalid", "compress", `zstd level ${level}`, "the levels are 1 to 22");
  let position = 0;
  const put = async (bytes: Uint8Array): Promise<void> => {
    position += bytes.length;
    await write(bytes);
  };
  let raw: Uint8Array[] = [];
  let rawBytes = 0;
  const flush = async (): Promise<void> => {
    if (rawBytes === 0) return;
    const bytes = Buffer.concat(raw);
    raw = [];
    rawBytes = 0;
    await put(Bun.zstdCompressSync(bytes, { level }));
  };
  const entries: RawEntry[] = [];
  let isOdd = false;
  let file: OpenFile | undefined;
  for await (const part of readTar("compress layer", source, chunkBytes)) {
    if (part.kind === "entry") {
      isOdd ||= part.entry.isOdd || entries.length >= entriesLimit;
      if (isOdd) entries.length = 0;
      else {
        const entry = rawEntry(part.entry);
        entries.push(entry);
        file = part.entry.sizeBytes > 0 ? new OpenFile(entry, entries) : undefined;
      }
    } else if (part.kind === "raw") {
      raw.push(part.bytes.slice());
      rawBytes += part.bytes.length;
      if (rawBytes > rawLimitBytes) await flush();
    } else {
      await flush();
      const begin = position;
      await put(Bun.zstdCompressSync(part.bytes, { level }));
      if (!isOdd) file?.add(part.bytes, begin, position);
    }
  }
  await flush();
  if (isOdd) return {};
  const table = Buffer.from(JSON.stringify({ version: 1, entries }));
  const compressed = Bun.zstdCompressSync(table, { level });
  const at = position + SKIPPABLE_HEADER_BYTES;
  await put(skippable(compressed));
  const footer = Buffer.alloc(CHUNKED_FOOTER_BYTES);
  [at, compressed.length, table.length, 1].forEach((value, place) => {
    footer.writeBigUInt64LE(BigInt(value), 8 * place);
  });
  footer.write(CHUNKED_MAGIC, CHUNKED_FOOTER_BYTES - 8, "latin1");
  await put(skippable(footer));
  return {
    [chunkedAnnotations.checksum]: digestOf(compressed),
    [chunkedAnnotations.position]: `${at}:${compressed.length}:${table.length}:1`,
  };
}

/** The file whose content comes. Its first piece is part of the entry itself, the others are entries that follow it. */
class OpenFile {
  readonly #whole = new Bun.CryptoHasher("sha256");
  #done = 0;

  constructor(
    readonly entry: RawEntry,
    readonly entries: RawEntry[],
  ) {}

  add(bytes: Uint8Array, begin: number, end: number): void {
    const { entry } = this;
    const chunk = { chunkSize: bytes.length, chunkDigest: digestOf(bytes) };
    this.#whole.update(bytes);
    if (this.#done === 0)
      Object.assign(entry, { offset: begin }, bytes.length < (entry.size ?? 0) ? chunk : {});
    else
      this.entries.push({
        type: "chunk",
        name: entry.name,
        offset: begin,
        chunkOffset: this.#done,
        ...chunk,
      });
    this.#done += bytes.length;
    entry.endOffset = end;
    if (this.#done === entry.size) entry.digest = `sha256:${this.#whole.digest("hex")}`;
  }
}

function rawEntry(entry: TarEntry): RawEntry {
  const raw: RawEntry = { type: typeNames[entry.type] ?? "reg", name: entry.name, mode: entry.mode };
  if (entry.link !== "" && (entry.type === "1" || entry.type === "2")) raw.linkName = entry.link;
  if (entry.sizeBytes > 0) raw.size = entry.sizeBytes;
  if (entry.uid > 0) raw.uid = entry.uid;
  if (entry.gid > 0) raw.gid = entry.gid;
  if (Math.abs(entry.mtime) < 8.64e12) raw.modtime = timeText(entry.mtime);
  if (entry.type === "3" || entry.type === "4") {
    raw.devMajor = entry.major;
    raw.devMinor = entry.minor;
  }
  if (entry.xattrs.length > 0) {
    raw.xattrs = Object.fromEntries(
      entry.xattrs.map(([name, value]) => [name, Buffer.from(value).toString("base64")]),
    );
  }
  return raw;
}

/** RFC 3339, with as much of the fraction as a number holds. */
function timeText(seconds: number): string {
  const whole = Math.floor(seconds);
  const nanoseconds = Math.min(999_999_999, Math.round((seconds - whole) * 1e9));
  const text = new Date(whole * 1000).toISOString().slice(0, -5);
  return nanoseconds === 0 ? `${text}Z` : `${text}.${String(nanoseconds).padStart(9, "0")}Z`;
}

function skippable(content: Uint8Array): Uint8Array {
  const head = Buffer.alloc(SKIPPABLE_HEADER_BYTES);
  head.writeUInt32LE(SKIPPABLE, 0);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}
