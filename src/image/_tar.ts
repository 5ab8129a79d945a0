import { EngineError } from "../error";

/**
 * The members of an archive of images, found by their headers alone: content is passed over, and read later from where it lies. Images'
 * archives hold files by plain names; links that lead within the archive (old ones of docker) are followed, all else is nobody's.
 */

export type Member = { offset: number; sizeBytes: number };

/** Reads into BUFFER at POSITION; returns the bytes read, fewer only at the end. */
export type ReadAt = (buffer: Uint8Array, position: number) => number;

const BLOCK = 512;
const membersLimit = 100_000; // an archive of 10,000 images has fewer
const longNameLimit = 64 << 10; // bytes of a pax header or a GNU long name: names here are short

/** The files of a tar archive by their names. Throws `invalid`. */
export function indexTar(what: string, readAt: ReadAt, sizeBytes: number): Map<string, Member> {
  const fail = (why: string) => new EngineError("invalid", what, "", why, { exitCode: 1 });
  const files = new Map<string, Member>();
  const links = new Map<string, string>();
  const block = new Uint8Array(BLOCK);
  let position = 0;
  let next: { name?: string; link?: string; sizeBytes?: number } = {};
  for (let count = 0; ; ) {
    const got = readAt(block, position);
    if (got === 0 && count > 0) throw fail("truncated: it has no end");
    if (got < BLOCK) throw fail(count === 0 ? "not a tar archive" : "truncated within a header");
    if (block.every((byte) => byte === 0)) break;
    checkSum(block, () => fail(count === 0 ? "not a tar archive" : "a damaged header"));
    position += BLOCK;
    const type = String.fromCharCode(block[156] ?? 0);
    const length = next.sizeBytes ?? numberAt(block, 124, 12, fail);
    if (position + length > sizeBytes) throw fail(`truncated: ${position + length} bytes were announced`);
    if (type === "x" || type === "g" || type === "L" || type === "K") {
      const bytes = longField(readAt, position, numberAt(block, 124, 12, fail), fail);
      if (type === "x") next = { ...next, ...readPax(bytes, fail) };
      else if (type === "L") next.name = textOf(bytes);
      else if (type === "K") next.link = textOf(bytes);
      position += paddedSize(numberAt(block, 124, 12, fail));
      continue;
    }
    if (++count > membersLimit) throw fail(`more than ${membersLimit} members`);
    const name = plainName(next.name ?? ustarName(block), fail);
    if (type === "0" || type === "\0" || type === "7") {
      if (files.has(name) || links.has(name)) throw fail(`"${shown(name)}" is in it twice`);
      files.set(name, { offset: position, sizeBytes: length });
    } else if (type === "1" || type === "2") {
      const target = next.link ?? textOf(block.subarray(157, 257));
      if (files.has(name) || links.has(name)) throw fail(`"${shown(name)}" is in it twice`);
      links.set(name, type === "1" ? target : beside(name, target));
    }
    position += type === "1" || type === "2" || type === "5" ? 0 : paddedSize(length);
    next = {};
  }
  for (const [name, target] of links) {
    const file = followed(target, files, links);
    if (file !== undefined) files.set(name, file);
  }
  return files;
}

/** A link's file; undefined where it leads out of the archive, nowhere, or in circles. */
function followed(
  target: string,
  files: Map<string, Member>,
  links: Map<string, string>,
): Member | undefined {
  let at: string | undefined = normalized(target);
  for (let depth = 0; at !== undefined && depth < 10; depth++) {
    const file = files.get(at);
    if (file !== undefined) return file;
    const further = links.get(at);
    at = further === undefined ? undefined : normalized(further);
  }
  return undefined;
}

function beside(name: string, target: string): string {
  if (target.startsWith("/")) return target;
  const slash = name.lastIndexOf("/");
  return slash < 0 ? target : `${name.slice(0, slash)}/${target}`;
}

/** Undefined where the path leaves the archive. */
function normalized(path: string): string | undefined {
  if (path.startsWith("/")) return undefined;
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function plainName(name: string, fail: (why: string) => EngineError): string {
  const plain = normalized(name);
  if (plain === undefined || name.split("/").includes("..") || name.includes("\0"))
    throw fail(`"${shown(name)}" leads out of the archive`);
  return plain;
}

function shown(name: string): string {
  return name.length > 200 ? `${name.slice(0, 200)}…` : name;
}

const paddedSize = (sizeBytes: number): number => Math.ceil(sizeBytes / BLOCK) * BLOCK;

function checkSum(block: Uint8Array, failure: () => EngineError): void {
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  if (Number.parseInt(textOf(block.subarray(148, 156)).trim(), 8) !== sum) throw failure();
}

function ustarName(block: Uint8Array): string {
  const name = textOf(block.subarray(0, 100));
  const isUstar = textOf(block.subarray(257, 262)) === "ustar" && block[263] === 0x30; // POSIX's, not GNU's
  const prefix = isUstar ? textOf(block.subarray(345, 500)) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Octal digits, or the base 256 that GNU writes for what does not fit. */
function numberAt(block: Uint8Array, at: number, length: number, fail: (why: string) => EngineError): number {
  const bytes = block.subarray(at, at + length);
  if (((bytes[0] ?? 0) & 0x80) !== 0) {
    let value = (bytes[0] ?? 0) & 0x7f;
    for (const byte of bytes.subarray(1)) value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw fail("a size that cannot be");
    return value;
  }
  const text = textOf(bytes).trim();
  if (!/^[0-7]*$/.test(text)) throw fail("a damaged size");
  return text === "" ? 0 : Number.parseInt(text, 8);
}

function longField(
  readAt: ReadAt,
  position: number,
  sizeBytes: number,
  fail: (why: string) => EngineError,
): Uint8Array {
  if (sizeBytes > longNameLimit) throw fail(`an extended header of ${sizeBytes} bytes`);
  const bytes = new Uint8Array(sizeBytes);
  if (readAt(bytes, position) < sizeBytes) throw fail("truncated within an extended header");
  return bytes;
}

function readPax(
  bytes: Uint8Array,
  fail: (why: string) => EngineError,
): { name?: string; link?: string; sizeBytes?: number } {
  const found: { name?: string; link?: string; sizeBytes?: number } = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(new TextDecoder().decode(bytes.subarray(at, space)));
    if (!Number.isInteger(length) || length < 4 || at + length > bytes.length)
      throw fail("a damaged pax header");
    const record = new TextDecoder().decode(bytes.subarray(space + 1, at + length - 1));
    const cut = record.indexOf("=");
    const [key, value] = [record.slice(0, cut), record.slice(cut + 1)];
    if (key === "path") found.name = value;
    if (key === "linkpath") found.link = value;
    if (key === "size") {
      if (!/^\d{1,15}$/.test(value)) throw fail("a damaged pax header");
      found.sizeBytes = Number(value);
    }
    at += length;
  }
  return found;
}

/** The header of a file, or of a directory (its name ends in `/`). */
export function tarHeader(name: string, sizeBytes: number, modifiedMs: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => block.set(new TextEncoder().encode(text), at);
  if (name.length > 100) throw new RangeError("names in an archive of images are short");
  const isDirectory = name.endsWith("/");
  put(0, name);
  put(100, isDirectory ? "0000755\0" : "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  if (sizeBytes < 8 ** 11) put(124, `${sizeBytes.toString(8).padStart(11, "0")}\0`);
  else {
    block[124] = 0x80;
    let rest = sizeBytes;
    for (let at = 135; at > 124 && rest > 0; at--) {
      block[at] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }
  put(
    136,
    `${Math.max(0, Math.floor(modifiedMs / 1000))
      .toString(8)
      .padStart(11, "0")}\0`,
  );
  put(148, "        ");
  put(156, isDirectory ? "5" : "0");
  put(257, "ustar\0");
  put(263, "00");
  const sum = block.reduce((all, byte) => all + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** What fills a file up to the next block. */
export function tarPadding(sizeBytes: number): Uint8Array {
  return new Uint8Array(paddedSize(sizeBytes) - sizeBytes);
}

/** Two empty blocks. */
export const tarEnd = new Uint8Array(2 * BLOCK);
