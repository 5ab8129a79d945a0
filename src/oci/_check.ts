import { EngineError } from "../error";
import { type Digest, isDigest } from "./digest";

/**
 * Small readers for documents of unknown content. Each takes the value and the place it stands at ("layers[2].size"), and
 * returns it typed or throws `invalid`, naming document and place.
 */

export type JsonObject = { [key: string]: unknown };

/** Nesting deeper than this is nobody's manifest: the specs' own documents need six levels. */
export const depthLimit = 64;

/** Bytes of a manifest or an index: what registries take (distribution spec: at least 4 MiB). */
export const manifestLimitBytes = 4 << 20;

/** Bytes of an image config: histories are long, but not longer. */
export const configLimitBytes = 8 << 20;

/** Parses bounded JSON text. WHAT names the document in errors. */
export function parseJson(what: string, bytes: Uint8Array, limitBytes: number): unknown {
  if (bytes.length > limitBytes) throw invalid(what, `${bytes.length} bytes, the limit is ${limitBytes}`);
  if (nestingOf(bytes) > depthLimit) throw invalid(what, `nested more than ${depthLimit} levels deep`);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalid(what, "not UTF-8");
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(what, `not JSON: ${error instanceof Error ? error.message : error}`);
  }
}

/** The greatest number of brackets open at once, outside strings. Needs no recursion, unlike the parser behind it. */
function nestingOf(bytes: Uint8Array): number {
  let depth = 0;
  let most = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) most = Math.max(most, ++depth);
    else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return most;
}

export function invalid(what: string, why: string): EngineError {
  return new EngineError("invalid", what, "", why);
}

/** A reader bound to one document, so that its errors name it. */
export class Checker {
  constructor(readonly what: string) {}

  fail(place: string, why: string): EngineError {
    return invalid(this.what, place === "" ? why : `${place}: ${why}`);
  }

  object(value: unknown, place: string): JsonObject {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw this.fail(place, "not an object");
    return value as JsonObject;
  }

  /** Like `object`, but absent and null are undefined: Go writes either. */
  optionalObject(value: unknown, place: string): JsonObject | undefined {
    return value === undefined || value === null ? undefined : this.object(value, place);
  }

  array(value: unknown, place: string, most: number): unknown[] {
    if (!Array.isArray(value)) throw this.fail(place, "not an array");
    if (value.length > most) throw this.fail(place, `${value.length} entries, the limit is ${most}`);
    return value;
  }

  optionalArray(value: unknown, place: string, most: number): unknown[] {
    return value === undefined || value === null ? [] : this.array(value, place, most);
  }

  string(value: unknown, place: string): string {
    if (typeof value !== "string") throw this.fail(place, "not a string");
    return value;
  }

  optionalString(value: unknown, place: string): string | undefined {
    return value === undefined || value === null ? undefined : this.string(value, place);
  }

  strings(value: unknown, place: string, most: number): string[] {
    return this.optionalArray(value, place, most).map((entry, at) => this.string(entry, `${place}[${at}]`));
  }

  /** A count of bytes or the like: an integer from 0 to 2^53. */
  count(value: unknown, place: string): number {
    if (!Number.isSafeInteger(value) || (value as number) < 0)
      throw this.fail(place, "not a whole number from 0");
    return value as number;
  }

  digest(value: unknown, place: string): Digest {
    const text = this.string(value, place);
    if (!isDigest(text)) throw this.fail(place, `"${text.slice(0, 100)}" is not a sha256 or sha512 digest`);
    return text;
  }

  /** An object whose values are strings: annotations and labels. */
  stringMap(value: unknown, place: string): Record<string, string> {
    const map: Record<string, string> = Object.create(null) as Record<string, string>;
    const object = this.optionalObject(value, place);
    if (object === undefined) return { ...map };
    for (const [key, entry] of Object.entries(object)) map[key] = this.string(entry, `${place}.${key}`);
    return { ...map };
  }
}
