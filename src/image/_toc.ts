import { EngineError } from "../error";
import { type Descriptor, type Digest, digestOf, isDigest } from "../oci";
import { chunkedAnnotations, type RawEntry, STARGZ_FOOTER_BYTES, stargzAnnotations } from "./_toc-format";

/**
 * Tables of contents as they come from a registry, read and checked. The manifest's annotation holds the digest of the table, and the table that of every piece of a file, so all
 * that is shown of an image is what its manifest's digest stands for. Sizes, paths and places are the image's words, and are limited like all that it says.
 */

/** A piece of a file: bytes `offset` to `end` of the blob decompress to it, after `inner` bytes of something else. */
export type Chunk = {
  offset: number;
  end: number;
  inner: number;
  size: number;
  fileOffset: number;
  /** Undefined for a piece that is only zeros. */
  digest: Digest | undefined;
};

export type TocEntry = {
  type: "reg" | "dir" | "symlink" | "hardlink" | "char" | "block" | "fifo";
  /** Components of its path; none for the root. */
  path: string[];
  link: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  xattrs: [name: string, value: Uint8Array][];
  chunks: Chunk[];
};

export type Contents = { packing: "zstd" | "gzip"; entries: TocEntry[] };

/** Bytes of a blob. */
export type FetchRange = (from: number, size: number) => Promise<Uint8Array>;

const tableLimitBytes = 64 << 20; // uncompressed: 250,000 files
const entriesLimit = 500_000;
const nameLimit = 255; // the kernel's, of a component
const pathLimit = 4095;
export const chunkLimitBytes = 64 << 20; // of what has to be in memory for a read; usual are 4 MiB and less
/** Of all pieces of an image together: they get a (sparse) file, which no file system takes of any size. */
export const contentLimitBytes = 2 ** 40;
const holeLimitBytes = 2 ** 32 - 1; // the index has 32 bits for a piece
const xattrLimit = 65_535;
const idLimit = 2 ** 32 - 2;
const types = new Set(["reg", "dir", "symlink", "hardlink", "char", "block", "fifo"]);

/**
 * The table of contents of a layer.
 *
 * @throws EngineError `unsupported` where it has none; `invalid`, `digest-mismatch` where it is not what it should be
 */
export async function fetchContents(layer: Descriptor, fetchRange: FetchRange): Promise<Contents> {
  const annotations = layer.annotations ?? {};
  const position = annotations[chunkedAnnotations.position];
  const checksum = annotations[chunkedAnnotations.checksum];
  if (position !== undefined && checksum !== undefined)
    return readEntries(layer, "zstd", layer.size, await chunkedTable(layer, position, checksum, fetchRange));
  const digest = annotations[stargzAnnotations.digest];
  if (digest !== undefined) return stargzContents(layer, digest, fetchRange);
  throw new EngineError("unsupported", "read table of contents", layer.digest, "the layer has none");
}

function bad(layer: Descriptor, why: string): EngineError {
  return new EngineError("invalid", "read table of contents", layer.digest, why);
}

async function chunkedTable(
  layer: Descriptor,
  position: string,
  checksum: string,
  fetchRange: FetchRange,
): Promise<Uint8Array> {
  const [at, compressed, size, type] = (/^(\d{1,15}):(\d{1,15}):(\d{1,15}):(\d{1,5})$/.exec(position) ?? [])
    .slice(1)
    .map(Number);
  if (at === undefined || compressed === undefined || size === undefined || type !== 1)
    throw bad(layer, "its place is not given as numbers");
  if (at + compressed > layer.size || compressed === 0) throw bad(layer, "its place is not within the layer");
  if (size > tableLimitBytes || compressed > tableLimitBytes)
    throw bad(layer, `${size} bytes, the limit is ${tableLimitBytes}`);
  const bytes = await fetchRange(at, compressed);
  verify(layer, bytes, checksum);
  const { zstdDecompressSync } = await import("node:zlib");
  return unpackWithin(layer, () => zstdDecompressSync(bytes, { maxOutputLength: Math.max(size, 1) }));
}

function verify(layer: Descriptor, bytes: Uint8Array, digest: string): void {
  if (!isDigest(digest) || !digest.startsWith("sha256:")) throw bad(layer, "its digest is none");
  if (digestOf(bytes) === digest) return;
  throw new EngineError("digest-mismatch", "read table of contents", layer.digest, `it has not ${digest}`);
}

function unpackWithin(layer: Descriptor, unpack: () => Uint8Array): Uint8Array {
  try {
    return unpack();
  } catch (error) {
    throw bad(layer, `it cannot be decompressed: ${error instanceof Error ? error.message : error}`);
  }
}

/** The end of the blob says where the table is: an empty gzip member whose extra field has 16 hexadecimal digits and a name. */
async function stargzContents(layer: Descriptor, digest: string, fetchRange: FetchRange): Promise<Contents> {
  if (layer.size < 2 * STARGZ_FOOTER_BYTES) throw bad(layer, "too short");
  const footer = Buffer.from(await fetchRange(layer.size - STARGZ_FOOTER_BYTES, STARGZ_FOOTER_BYTES));
  const text = footer.toString("latin1", 16, 38);
  const isFooter =
    footer.readUInt32BE(0) === 0x1f8b0804 &&
    footer.readUInt16LE(10) === 26 &&
    footer.toString("latin1", 12, 14) === "SG" &&
    footer.readUInt16LE(14) === 22;
  const place = /^([0-9a-f]{16})STARGZ$/.exec(text)?.[1];
  if (!isFooter || place === undefined) throw bad(layer, "no footer of eStargz");
  const at = Number.parseInt(place, 16);
  const size = layer.size - STARGZ_FOOTER_BYTES - at;
  if (!(at > 0 && size > 0)) throw bad(layer, "its place is not within the layer");
  if (size > tableLimitBytes) throw bad(layer, `${size} bytes, the limit is ${tableLimitBytes}`);
  const bytes = await fetchRange(at, size);
  const { gunzipSync } = await import("node:zlib");
  const tar = unpackWithin(layer, () => gunzipSync(bytes, { maxOutputLength: tableLimitBytes + 4096 }));
  const table = jsonInTar(layer, tar);
  verify(layer, table, digest);
  return readEntries(layer, "gzip", at, table);
}

/** The only file of the archive that the table is packed in. */
function jsonInTar(layer: Descriptor, tar: Uint8Array): Uint8Array {
  const header = Buffer.from(tar.buffer, tar.byteOffset, Math.min(512, tar.length));
  const name = header.toString("latin1", 0, 100).replace(/\0.*$/s, "");
  const size = Number.parseInt(header.toString("latin1", 124, 136), 8);
  if (name !== "stargz.index.json" || !(size <= tar.length - 512))
    throw bad(layer, "it is not where it should be");
  return tar.subarray(512, 512 + size);
}

function readEntries(
  layer: Descriptor,
  packing: Contents["packing"],
  contentEnd: number,
  table: Uint8Array,
): Contents {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(table));
  } catch {
    throw bad(layer, "it is no JSON");
  }
  const raw = (document as { entries?: unknown } | null)?.entries;
  if ((document as { version?: unknown } | null)?.version !== 1) throw bad(layer, "an unknown version");
  if (!Array.isArray(raw) || raw.length > entriesLimit)
    throw bad(layer, "no list of entries, or too long a one");
  const ends = packing === "gzip" ? new Ends(raw as RawEntry[], contentEnd) : undefined;
  const entries: TocEntry[] = [];
  let file: { entry: TocEntry; raw: RawEntry; chunks: RawEntry[] } | undefined;
  const close = (): void => {
    if (file !== undefined) file.entry.chunks = chunksOf(layer, file.raw, file.chunks, contentEnd, ends);
    file = undefined;
  };
  for (const each of raw as unknown[]) {
    if (typeof each !== "object" || each === null) throw bad(layer, "an entry that is none");
    const one = each as RawEntry;
    if (one.type === "chunk") {
      if (file === undefined || one.name !== file.raw.name) throw bad(layer, "a piece of no file");
      file.chunks.push(one);
      continue;
    }
    close();
    const entry = readEntry(layer, one);
    entries.push(entry);
    if (entry.type === "reg" && entry.size > 0) file = { entry, raw: one, chunks: [one] };
  }
  close();
  const contents = { packing, entries };
  assertContentLimit(layer.digest, contentBytes(contents));
  return contents;
}

/** Bytes of all pieces. */
export function contentBytes({ entries }: Contents): number {
  let bytes = 0;
  for (const { chunks } of entries)
    for (const { size, digest } of chunks) if (digest !== undefined) bytes += size;
  return bytes;
}

/** @throws EngineError `invalid` */
export function assertContentLimit(on: string, bytes: number): void {
  if (bytes <= contentLimitBytes) return;
  const why = `its files have ${bytes} bytes, the limit is ${contentLimitBytes}`;
  throw new EngineError("invalid", "read table of contents", on, why);
}

function count(layer: Descriptor, value: unknown, limit = Number.MAX_SAFE_INTEGER): number {
  if (value === undefined || value === null) return 0;
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > limit)
    throw bad(layer, "a number that cannot be");
  return value as number;
}

function readEntry(layer: Descriptor, raw: RawEntry): TocEntry {
  if (!types.has(raw.type)) throw bad(layer, `an entry of the type "${String(raw.type).slice(0, 20)}"`);
  const type = raw.type as TocEntry["type"];
  const link = raw.linkName ?? "";
  if (typeof link !== "string" || link.includes("\0") || Buffer.byteLength(link) > pathLimit)
    throw bad(layer, "a link that cannot be");
  if (type === "symlink" && link === "") throw bad(layer, "a link to nothing");
  return {
    type,
    path: pathOf(layer, raw.name),
    link,
    mode: count(layer, raw.mode) & 0o7777,
    uid: count(layer, raw.uid, idLimit),
    gid: count(layer, raw.gid, idLimit),
    size: type === "reg" ? count(layer, raw.size) : 0,
    ...timeOf(raw.modtime),
    xattrs: xattrsOf(layer, raw.xattrs),
    chunks: [],
  };
}

/** As the unpacker reads names: what leads out of the layer is refused. */
export function pathOf(layer: Descriptor, name: unknown): string[] {
  if (typeof name !== "string" || name.includes("\0") || !name.isWellFormed())
    throw bad(layer, "a name that cannot be");
  if (Buffer.byteLength(name) > pathLimit) throw bad(layer, "too long a path");
  const path = name.split("/").filter((part) => part !== "" && part !== ".");
  if (path.includes("..")) throw bad(layer, "a path with ..");
  if (path.some((part) => Buffer.byteLength(part) > nameLimit)) throw bad(layer, "too long a name");
  return path;
}

function timeOf(text: unknown): { mtimeSeconds: number; mtimeNanoseconds: number } {
  const parts = typeof text === "string" ? /^([^.]{19})(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text) : null;
  const ms = parts === null ? Number.NaN : Date.parse(`${parts[1]}${parts[3]}`);
  if (!Number.isFinite(ms)) return { mtimeSeconds: 0, mtimeNanoseconds: 0 };
  return { mtimeSeconds: ms / 1000, mtimeNanoseconds: Number((parts?.[2] ?? "").padEnd(9, "0")) };
}

/** What the unpacker keeps, and nothing else: attributes that mean something to overlay would hide the files of other layers. */
function xattrsOf(layer: Descriptor, raw: unknown): [string, Uint8Array][] {
  if (raw === undefined || raw === null) return [];
  if (typeof raw !== "object") throw bad(layer, "attributes that are none");
  const kept: [string, Uint8Array][] = [];
  let bytes = 0;
  for (const [name, value] of Object.entries(raw)) {
    if (typeof value !== "string" || name.includes("\0") || Buffer.byteLength(name) > nameLimit)
      throw bad(layer, "an attribute that cannot be");
    const isReserved = /^user\.(overlay\.|fuseoverlayfs\.|containers\.override_stat)/.test(name);
    if (name !== "security.capability" && (!name.startsWith("user.") || isReserved)) continue;
    const decoded = Buffer.from(value, "base64");
    bytes += decoded.length + name.length;
    if (bytes > xattrLimit) throw bad(layer, "too long attributes");
    kept.push([name, decoded]);
  }
  return kept;
}

/** Where pieces of eStargz end: where the next one begins. */
class Ends {
  readonly #sorted: number[];

  constructor(entries: readonly RawEntry[], contentEnd: number) {
    const offsets = new Set<number>([contentEnd]);
    for (const entry of entries) {
      if (Number.isSafeInteger(entry?.offset) && (entry.offset ?? 0) < contentEnd)
        offsets.add(entry.offset ?? 0);
    }
    this.#sorted = [...offsets].sort((a, b) => a - b);
  }

  after(offset: number): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return this.#sorted[low] ?? offset;
  }
}

/** The pieces of a file, in their order and without a gap. */
function chunksOf(
  layer: Descriptor,
  file: RawEntry,
  raw: readonly RawEntry[],
  contentEnd: number,
  ends: Ends | undefined,
): Chunk[] {
  const size = count(layer, file.size);
  let fileOffset = 0;
  const chunks = raw.map((each, at): Chunk => {
    const isLast = at === raw.length - 1;
    const next = raw[at + 1];
    const isHole = each.chunkType === "zeros";
    const offset = count(layer, each.offset);
    const end = ends?.after(offset) ?? count(layer, next === undefined ? file.endOffset : next.offset);
    const length = count(layer, each.chunkSize) || size - fileOffset;
    if (count(layer, each.chunkOffset) !== fileOffset || (at > 0 && fileOffset === 0))
      throw bad(layer, "pieces that do not follow each other");
    if (length <= 0 || fileOffset + length > size || (isLast && fileOffset + length !== size))
      throw bad(layer, "pieces that are not the file");
    const digest = each.chunkDigest || (raw.length === 1 ? file.digest : undefined);
    if (isHole && length > holeLimitBytes) throw bad(layer, `a hole of more than ${holeLimitBytes} bytes`);
    if (!isHole) {
      if (typeof digest !== "string" || !isDigest(digest) || !digest.startsWith("sha256:"))
        throw bad(layer, "a piece without a digest");
      if (end <= offset || end > contentEnd) throw bad(layer, "a piece that is not within the layer");
      if (length > chunkLimitBytes || end - offset > chunkLimitBytes + (1 << 20))
        throw bad(layer, `a piece of more than ${chunkLimitBytes} bytes`);
    }
    const chunk = {
      offset,
      end,
      inner: count(layer, each.innerOffset, chunkLimitBytes),
      size: length,
      fileOffset,
      digest: isHole ? undefined : (digest as Digest),
    };
    fileOffset += length;
    return chunk;
  });
  return chunks;
}

/** What a piece is, from its bytes in the blob; checked. */
export async function openChunk(
  packing: Contents["packing"],
  chunk: Chunk,
  bytes: Uint8Array,
): Promise<Uint8Array> {
  const { gunzipSync, zstdDecompressSync } = await import("node:zlib");
  const limit = { maxOutputLength: chunk.inner + chunk.size + (packing === "gzip" ? chunkLimitBytes : 0) };
  let plain: Uint8Array;
  try {
    plain = packing === "zstd" ? zstdDecompressSync(bytes, limit) : gunzipSync(bytes, limit);
  } catch (error) {
    throw new EngineError("digest-mismatch", "read piece", chunk.digest ?? "", error);
  }
  const piece = plain.subarray(chunk.inner, chunk.inner + chunk.size);
  if (piece.length === chunk.size && digestOf(piece) === chunk.digest) return piece;
  throw new EngineError("digest-mismatch", "read piece", chunk.digest ?? "", "the registry has other bytes");
}
