import { EngineError } from "../error";

/**
 * A tar archive as it streams by, with every byte of it: what lies between the contents of files (headers, extended headers, padding, the end) comes as it is, so that whoever
 * writes all of it down again has the same archive.
 */

export type TarEntry = {
  /** One character: "0" a file, "1" a hard link, "2" a link, "3" and "4" devices, "5" a directory, "6" a pipe. */
  type: string;
  name: string;
  link: string;
  mode: number;
  uid: number;
  gid: number;
  sizeBytes: number;
  /** Seconds since the epoch, perhaps with a fraction. */
  mtime: number;
  major: number;
  minor: number;
  xattrs: [name: string, value: Uint8Array][];
  /** It has something that this reader does not know: sparse files, names that are no UTF-8. */
  isOdd: boolean;
};

export type TarPart =
  /** Bytes between contents. */
  | { kind: "raw"; bytes: Uint8Array }
  | { kind: "entry"; entry: TarEntry }
  /** A piece of the content of the last entry, of `pieceBytes` but for the last one. */
  | { kind: "content"; bytes: Uint8Array };

const BLOCK = 512;
const extendedLimit = 8 << 20; // bytes of a pax header: names, and attributes of 64 KiB

const latin = new TextDecoder("latin1");
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Bytes by the number that is asked for, out of a stream of chunks. */
class Bytes {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunks: Uint8Array[] = [];
  #have = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly COUNT bytes; fewer only at the end. */
  async take(count: number): Promise<Uint8Array> {
    while (this.#have < count) {
      const next = await this.#source.next();
      if (next.done === true) break;
      this.#chunks.push(next.value);
      this.#have += next.value.length;
    }
    return this.#cut(Math.min(count, this.#have));
  }

  /** What is left. */
  async *rest(): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const bytes = await this.take(1 << 16);
      if (bytes.length === 0) return;
      yield bytes;
    }
  }

  #cut(count: number): Uint8Array {
    this.#have -= count;
    const [first] = this.#chunks;
    if (first === undefined) return new Uint8Array(0);
    if (first.length > count) {
      this.#chunks[0] = first.subarray(count);
      return first.subarray(0, count);
    }
    const out = new Uint8Array(count);
    let done = 0;
    while (done < count) {
      const chunk = this.#chunks[0] ?? new Uint8Array(0);
      const part = chunk.subarray(0, count - done);
      out.set(part, done);
      done += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    return out;
  }
}

/** @throws EngineError `invalid` */
export async function* readTar(
  what: string,
  source: AsyncIterable<Uint8Array>,
  pieceBytes: number,
): AsyncGenerator<TarPart, void> {
  const fail = (why: string) => new EngineError("invalid", what, "", why);
  const bytes = new Bytes(source);
  let pax = new Map<string, Uint8Array>();
  const shared = new Map<string, Uint8Array>();
  for (;;) {
    const block = await bytes.take(BLOCK);
    if (block.length === 0) return; // an archive without its end: the reader of the layer has accepted that
    if (block.length < BLOCK) throw fail("truncated within a header");
    yield { kind: "raw", bytes: block };
    if (block.every((byte) => byte === 0)) {
      for await (const rest of bytes.rest()) yield { kind: "raw", bytes: rest };
      return;
    }
    const type = String.fromCharCode(block[156] ?? 0);
    const ownSize = numberAt(block, 124, 12);
    if (!Number.isSafeInteger(ownSize) || ownSize < 0) throw fail("a damaged header");
    if ("xgLK".includes(type)) {
      if (ownSize > extendedLimit) throw fail(`an extended header of ${ownSize} bytes`);
      const body = await bytes.take(ownSize);
      if (body.length < ownSize) throw fail("truncated within an extended header");
      yield { kind: "raw", bytes: body };
      yield { kind: "raw", bytes: await bytes.take(padding(ownSize)) };
      if (type === "x" || type === "g") readPax(body, type === "x" ? pax : shared, fail);
      else pax.set(type === "L" ? "path" : "linkpath", cString(body));
      continue;
    }
    const entry = entryOf(block, new Map([...shared, ...pax]), type, ownSize);
    pax = new Map();
    yield { kind: "entry", entry };
    let left = entry.sizeBytes;
    while (left > 0) {
      const piece = await bytes.take(Math.min(left, pieceBytes));
      if (piece.length === 0) throw fail("truncated within a file");
      left -= piece.length;
      yield { kind: "content", bytes: piece };
    }
    if (entry.sizeBytes > 0) yield { kind: "raw", bytes: await bytes.take(padding(entry.sizeBytes)) };
  }
}

function entryOf(
  block: Uint8Array,
  pax: ReadonlyMap<string, Uint8Array>,
  headerType: string,
  ownSize: number,
): TarEntry {
  const number = (name: string, at: number, length: number): number => {
    const text = pax.get(name);
    return text === undefined ? numberAt(block, at, length) : Number(latin.decode(text));
  };
  let isOdd = [...pax.keys()].some((key) => key.startsWith("GNU.sparse"));
  const text = (raw: Uint8Array): string => {
    try {
      return utf8.decode(raw);
    } catch {
      isOdd = true;
      return latin.decode(raw);
    }
  };
  const type = headerType === "\0" || headerType === "7" ? "0" : headerType;
  const name = text(pax.get("path") ?? ustarName(block));
  const hasContent = type === "0" || !"123456".includes(type);
  const xattrs = [...pax]
    .filter(([key]) => key.startsWith("SCHILY.xattr."))
    .map(([key, value]): [string, Uint8Array] => [key.slice("SCHILY.xattr.".length), value]);
  return {
    type: type === "0" && name.endsWith("/") ? "5" : type,
    name,
    link: text(pax.get("linkpath") ?? cString(block.subarray(157, 257))),
    mode: numberAt(block, 100, 8) & 0o7777,
    uid: number("uid", 108, 8),
    gid: number("gid", 116, 8),
    sizeBytes: hasContent ? number("size", 124, 12) : 0,
    mtime: number("mtime", 136, 12),
    major: numberAt(block, 329, 8),
    minor: numberAt(block, 337, 8),
    xattrs,
    isOdd: isOdd || !"0123456".includes(type) || (!hasContent && ownSize > 0),
  };
}

const padding = (sizeBytes: number): number => Math.ceil(sizeBytes / BLOCK) * BLOCK - sizeBytes;

function cString(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function ustarName(block: Uint8Array): Uint8Array {
  const name = cString(block.subarray(0, 100));
  const isUstar = latin.decode(block.subarray(257, 263)) === "ustar\0"; // POSIX's, not GNU's
  const prefix = isUstar ? cString(block.subarray(345, 500)) : new Uint8Array(0);
  return prefix.length === 0 ? name : new Uint8Array([...prefix, 0x2f, ...name]);
}

/** Octal digits, or the base 256 that GNU writes for what does not fit. NaN for what is neither. */
function numberAt(block: Uint8Array, at: number, length: number): number {
  const bytes = block.subarray(at, at + length);
  const first = bytes[0] ?? 0;
  if ((first & 0x80) !== 0) {
    let value = first & 0x3f;
    for (const byte of bytes.subarray(1)) value = value * 256 + byte;
    return (first & 0x40) === 0 ? value : value - 2 ** (8 * length - 2);
  }
  const text = latin.decode(cString(bytes)).trim();
  if (!/^[0-7]*$/.test(text)) return Number.NaN;
  return text === "" ? 0 : Number.parseInt(text, 8);
}

function readPax(bytes: Uint8Array, into: Map<string, Uint8Array>, fail: (why: string) => EngineError): void {
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(latin.decode(bytes.subarray(at, space)));
    if (!Number.isInteger(length) || length < 4 || at + length > bytes.length)
      throw fail("a damaged pax header");
    const equals = bytes.indexOf(0x3d, space);
    if (equals < 0 || equals >= at + length) throw fail("a damaged pax header");
    into.set(latin.decode(bytes.subarray(space + 1, equals)), bytes.slice(equals + 1, at + length - 1));
    at += length;
  }
}
