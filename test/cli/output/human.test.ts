import { expect, test } from "bun:test";
import { humanDuration, humanSize, imageSize, memorySize, timeAgo } from "../../../src/cli/output";

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
