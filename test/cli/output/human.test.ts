import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { humanDuration, humanSize, imageSize, memorySize, timeAgo } from "../../../src/cli/output";
import { lettersIn, zoneLetters } from "../../../src/cli/output/zone-name";

test("humanSize() writes at most four digits, base 1000", () => {
  const cases: [number, string][] = [
    [0, "0B"],
    [999, "999B"],
    [1000, "1kB"],
    [1024, "1.024kB"],
    [1_000_000, "1MB"],
    [1_234_567, "1.235MB"],
    [3.42e12, "3.42TB"],
  ];
  for (const [size, text] of cases) expect(humanSize(size)).toBe(text);
});

test("imageSize() writes at most three digits and rounds up into the next unit", () => {
  expect([imageSize(74_800_000), imageSize(7_060_000), imageSize(999_900), imageSize(1)]).toEqual([
    "74.8MB",
    "7.06MB",
    "1MB",
    "1B",
  ]);
});

test("memorySize() is base 1024", () => {
  expect([memorySize(1024), memorySize(1536 * 1024), memorySize(1000)]).toEqual(["1KiB", "1.5MiB", "1000B"]);
});

test("humanDuration() rounds to the largest unit, as docker does", () => {
  const second = 1000;
  const hour = 3600 * second;
  const day = 24 * hour;
  const cases: [number, string][] = [
    [-5, "Less than a second"],
    [999, "Less than a second"],
    [second, "1 second"],
    [59 * second, "59 seconds"],
    [60 * second, "About a minute"],
    [3 * 60 * second, "3 minutes"],
    [59 * 60 * second, "59 minutes"],
    [hour, "About an hour"],
    [1.6 * hour, "2 hours"],
    [47 * hour, "47 hours"],
    [2 * day, "2 days"],
    [13 * day, "13 days"],
    [14 * day, "2 weeks"],
    [59 * day, "8 weeks"],
    [60 * day, "2 months"],
    [729 * day, "24 months"],
    [730 * day, "2 years"],
  ];
  for (const [ms, text] of cases) expect(humanDuration(ms)).toBe(text);
});

test("timeAgo() takes a time to come as now", () => {
  expect(timeAgo(5000, 1000)).toBe("Less than a second ago");
  expect(timeAgo(0, 7_200_000)).toBe("2 hours ago");
});

test.skipIf(!existsSync("/usr/share/zoneinfo/Europe/Paris"))(
  "zoneLetters() knows winter and summer, before and behind the last change that a file lists [needs tzdata]",
  () => {
    const cases: [zone: string, time: string, letters: string][] = [
      ["Europe/Paris", "2026-01-15T00:00:00Z", "CET"],
      ["Europe/Paris", "1995-07-15T00:00:00Z", "CEST"],
      ["Asia/Tokyo", "2026-07-15T00:00:00Z", "JST"],
      ["Asia/Tokyo", "1949-07-15T00:00:00Z", "JDT"],
      ["America/Sao_Paulo", "2026-07-15T00:00:00Z", "-03"],
      [":UTC", "2026-07-15T00:00:00Z", "UTC"],
    ];
    for (const [zone, time, letters] of cases) expect(zoneLetters(zone, Date.parse(time))).toBe(letters);
    expect(zoneLetters("No/Where", 0)).toBeUndefined();
    expect(zoneLetters("../../../etc/passwd", 0)).toBeUndefined();
    expect(zoneLetters("/etc/passwd", 0)).toBeUndefined();
  },
);

test("lettersIn() takes a damaged file for none", () => {
  expect(lettersIn(new Uint8Array(0), 0)).toBeUndefined();
  expect(lettersIn(new TextEncoder().encode("TZif2"), 0)).toBeUndefined();
  const all = new Uint8Array(64).fill(255);
  all.set(new TextEncoder().encode("TZif2"));
  expect(lettersIn(all, 0)).toBeUndefined();
});

test("localTime() has the zone's letters where the clock is that of another", () => {
  const script = `import { localTime } from ${JSON.stringify(join(import.meta.dir, "../../../src/cli/output/time"))};
    console.log(localTime(Date.UTC(2026, 0, 15)), "|", localTime(Date.UTC(2026, 6, 15)));`;
  const shown = (TZ: string) =>
    Bun.spawnSync([process.execPath, "-e", script], { env: { ...process.env, TZ } })
      .stdout.toString()
      .trim();
  expect(shown("America/New_York")).toBe("2026-01-14 19:00:00 -0500 EST | 2026-07-14 20:00:00 -0400 EDT");
  expect(shown("UTC")).toBe("2026-01-15 00:00:00 +0000 UTC | 2026-07-15 00:00:00 +0000 UTC");
});
