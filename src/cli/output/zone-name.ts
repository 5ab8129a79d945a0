/** The letters of a time zone (CET, JST) at a point in time, from the host's zoneinfo (RFC 9636), as Go prints them. ICU knows only those of America. */
import { readFileSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";

const FOLDERS = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];
const LIMIT_BYTES = 1 << 20;

/** A list asks for each of its lines. */
const files = new Map<string | undefined, Uint8Array | undefined>();

/**
 * @param zone the value of TZ; "" and undefined: the host's own
 * @returns undefined where the host does not say
 */
export function zoneLetters(zone: string | undefined, ms: number): string | undefined {
  if (!files.has(zone)) files.set(zone, zoneFile(zone));
  const bytes = files.get(zone);
  return bytes === undefined ? undefined : lettersIn(bytes, Math.floor(ms / 1000));
}

function zoneFile(zone: string | undefined): Uint8Array | undefined {
  const name = zone?.replace(/^:/, "") ?? "";
  if (name.split("/").includes("..")) return undefined;
  const paths =
    name === ""
      ? ["/etc/localtime"]
      : isAbsolute(name)
        ? [name]
        : FOLDERS.map((folder) => join(folder, name));
  for (const path of paths) {
    try {
      const stat = statSync(path);
      if (stat.isFile() && stat.size <= LIMIT_BYTES) return readFileSync(path);
    } catch {
      // the next one
    }
  }
  return undefined;
}

/** The designation in a TZif file for a time in seconds since the epoch; undefined where the file is none. */
export function lettersIn(bytes: Uint8Array, seconds: number): string | undefined {
  try {
    return read(bytes, seconds);
  } catch {
    return undefined; // it ends too early
  }
}

function read(bytes: Uint8Array, seconds: number): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isTzif = (at: number): boolean => view.getUint32(at) === 0x545a6966; // "TZif"
  if (!isTzif(0)) return undefined;
  const first = counts(view, 0);
  const isLong = view.getUint8(4) >= 0x32; // version 2 and later have the whole again with 64 bits
  const start = isLong ? 44 + sizeOf(first, 4) : 0;
  if (!isTzif(start)) return undefined;
  const own = isLong ? counts(view, start) : first;
  const wide = isLong ? 8 : 4;
  const times = start + 44;
  const types = times + own.times * wide;
  const infos = types + own.times;
  const letters = infos + own.types * 6;
  let type = 0;
  let at = own.times - 1;
  for (; at >= 0; at--) {
    const time = isLong ? Number(view.getBigInt64(times + at * 8)) : view.getInt32(times + at * 4);
    if (time <= seconds) break;
  }
  if (at >= 0) type = view.getUint8(types + at);
  if (isLong && at === own.times - 1) {
    // behind the last transition the rule in the footer counts
    const footer = new TextDecoder().decode(bytes.subarray(start + 44 + sizeOf(own, 8) + 1));
    const named = byRule(footer.split("\n", 1)[0] ?? "", seconds);
    if (named !== undefined) return named;
  }
  const from = letters + view.getUint8(infos + type * 6 + 5);
  const end = bytes.indexOf(0, from);
  return new TextDecoder().decode(bytes.subarray(from, end));
}

type Counts = { utc: number; std: number; leaps: number; times: number; types: number; letters: number };

function counts(view: DataView, start: number): Counts {
  const at = (index: number): number => view.getUint32(start + 20 + index * 4);
  return { utc: at(0), std: at(1), leaps: at(2), times: at(3), types: at(4), letters: at(5) };
}

/** Bytes of a block behind its header. */
function sizeOf({ utc, std, leaps, times, types, letters }: Counts, wide: number): number {
  return times * (wide + 1) + types * 6 + letters + leaps * (wide + 4) + std + utc;
}

/** Of `CET-1CEST,M3.5.0,M10.5.0/3` the part that counts: told by the offset that the clock has then. */
function byRule(rule: string, seconds: number): string | undefined {
  const name = "(<[^>]+>|[A-Za-z]+)";
  const offset = "([-+]?\\d+(?::\\d+){0,2})";
  const parts = new RegExp(`^${name}${offset}(?:${name}${offset}?)?(?:,|$)`).exec(rule);
  if (parts === null) return undefined;
  const [, standard = "", west = "0", summer] = parts;
  const isSummer = summer !== undefined && clockOffset(seconds) !== -secondsOf(west);
  return (isSummer ? summer : standard).replace(/[<>]/g, "");
}

function secondsOf(text: string): number {
  const [hours = 0, minutes = 0, rest = 0] = text.replace(/^[-+]/, "").split(":").map(Number);
  return (hours * 3600 + minutes * 60 + rest) * (text.startsWith("-") ? -1 : 1);
}

/** Seconds that this process's clock is east of Greenwich. */
function clockOffset(seconds: number): number {
  return -new Date(seconds * 1000).getTimezoneOffset() * 60;
}
