/** Points in time on the command line. */
import { expect, test } from "bun:test";
import { momentOf } from "../../src/cli/_moment";

const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const at = (text: string) => momentOf("since", text, now);
const ns = (text: string) => {
  const { seconds, nanoseconds } = at(text);
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
};
const nowNs = BigInt(now) * 1_000_000n;

test.each<[string, bigint]>([
  ["10s", 10_000_000_000n],
  ["1h30m", 5_400_000_000_000n],
  ["1.5h", 5_400_000_000_000n],
  ["100ms", 100_000_000n],
  ["7us", 7000n],
  ["3ns", 3n],
  ["0s", 0n],
  ["-5m", -300_000_000_000n],
])("%s is a duration before now", (text, before) => expect(ns(text)).toBe(nowNs - before));

test.each<[string, string]>([
  ["1136073600", "1136073600000000000"],
  ["1136073600.000000001", "1136073600000000001"],
  ["1136073600.5", "1136073600500000000"],
  ["2026-01-02T03:04:05Z", "1767323045000000000"],
  ["2026-01-02T03:04:05.123456789Z", "1767323045123456789"],
  ["2026-01-02T03:04:05+02:00", "1767315845000000000"],
  ["1969-12-31T23:59:59.75Z", "-250000000"],
])("%s is a point in time, to the nanosecond", (text, wanted) => expect(String(ns(text))).toBe(wanted));

test("a time before the epoch has a fraction that goes forwards", () => {
  expect(at("1969-12-31T23:59:59.75Z")).toEqual({ seconds: -1, nanoseconds: 750_000_000 });
});

test("what has no zone is local, however much of it there is", () => {
  const local = (text: string) => BigInt(new Date(text).getTime()) * 1_000_000n;
  expect(ns("2026-01-02T03:04:05")).toBe(local("2026-01-02T03:04:05"));
  expect(ns("2026-01-02T03:04")).toBe(local("2026-01-02T03:04:00"));
  expect(ns("2026-01-02T03")).toBe(local("2026-01-02T03:00:00"));
  expect(ns("2026-01-02")).toBe(local("2026-01-02T00:00:00"));
  expect(ns("2026-01-02Z")).toBe(local("2026-01-02T00:00:00Z"));
});

test.each(["", "yesterday", "10", "10x", "2026-13-01", "2026-01-02T25:00:00Z", "1h-30m", "--1"])(
  "%p",
  (text) => {
    if (text === "10") expect(ns(text)).toBe(10_000_000_000n);
    else expect(() => at(text)).toThrow("expected a time");
  },
);
