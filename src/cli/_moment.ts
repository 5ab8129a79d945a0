/** Points in time on the command line, as docker takes them. */
import { EngineError } from "../error";

/** A point in time, to the nanosecond. */
export type Moment = { seconds: number; nanoseconds: number };

const UNIT_NS: Record<string, bigint> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ns: 1n,
};
const SECOND = 1_000_000_000n;
const DURATION = /^[-+]?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|h|m|s))+$/;
const DATE =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?)?)?(Z|[+-]\d\d:\d\d)?$/;

/**
 * A time (RFC 3339, also without its end or its zone, which is then the local one; seconds since the epoch
 * with their fraction) or a duration before `nowMs` (Go's: 1h30m; a negative one is behind it). Throws
 * `invalid`.
 */
export function momentOf(what: string, text: string, nowMs: number): Moment {
  const nanoseconds = nanosecondsOf(text, nowMs);
  if (nanoseconds === null) {
    throw new EngineError(
      "invalid",
      what,
      text,
      "expected a time such as 2026-01-31T12:00:00Z or a duration such as 10m",
    );
  }
  const seconds = nanoseconds / SECOND - (nanoseconds % SECOND < 0n ? 1n : 0n);
  return { seconds: Number(seconds), nanoseconds: Number(nanoseconds - seconds * SECOND) };
}

/** The same in milliseconds since the epoch, with a fraction. */
export function timeOf(what: string, text: string, nowMs: number): number {
  const { seconds, nanoseconds } = momentOf(what, text, nowMs);
  return seconds * 1000 + nanoseconds / 1e6;
}

function nanosecondsOf(text: string, nowMs: number): bigint | null {
  if (DURATION.test(text)) {
    const parts = [...text.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|h|m|s)/g)];
    const length = parts.reduce((sum, part) => sum + durationOf(part), 0n);
    const now = BigInt(Math.round(nowMs * 1000)) * 1000n;
    return text.startsWith("-") ? now + length : now - length;
  }
  const unix = /^(-?)(\d{1,15})(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (unix) {
    const [, sign, seconds = "", fraction = ""] = unix;
    const value = BigInt(seconds) * SECOND + BigInt(fraction.padEnd(9, "0"));
    return sign === "-" ? -value : value;
  }
  return dateOf(DATE.exec(text));
}

function durationOf([, whole = "", fraction = "", unit = ""]: RegExpMatchArray): bigint {
  const length = UNIT_NS[unit] ?? 0n;
  return BigInt(whole || 0) * length + (BigInt(fraction || 0) * length) / 10n ** BigInt(fraction.length);
}

function dateOf(parts: RegExpExecArray | null): bigint | null {
  if (!parts) return null;
  const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = parts;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`); // local without a zone
  return Number.isNaN(time) ? null : BigInt(time) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}
