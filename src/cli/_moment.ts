/** Points in time on the command line. */
import { EngineError } from "../error";

const UNIT_MS: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** A time (RFC 3339, a date, seconds since the epoch) or a duration before `now` (Go's: 1h30m). Milliseconds since the epoch. */
export function timeOf(what: string, text: string, now: number): number {
  if (/^(\d+(\.\d+)?(ms|h|m|s))+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
    return (
      now - parts.reduce((sum, [, number, unit]) => sum + Number(number) * (UNIT_MS[unit ?? ""] ?? 0), 0)
    );
  }
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const time = Date.parse(text);
  if (!Number.isNaN(time)) return time;
  throw new EngineError(
    "invalid",
    what,
    text,
    "expected a time such as 2026-01-31T12:00:00Z or a duration such as 10m",
  );
}
