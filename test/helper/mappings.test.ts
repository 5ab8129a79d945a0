import { expect, test } from "bun:test";
import { parseSubordinateIds } from "../../src/helper";

const text =
  "alice:100000:65536\nbob:165536:65536\n1000:300000:10\nalice:500000:5\nalice:bad:1\nalice:1\n# alice:1:1\n\n";

test("parseSubordinateIds() takes lines by name and by number, in their order", () => {
  expect(parseSubordinateIds(text, "alice", 1000)).toEqual([
    { start: 100_000, size: 65_536 },
    { start: 300_000, size: 10 },
    { start: 500_000, size: 5 },
  ]);
});

test("parseSubordinateIds() finds nothing for others", () => {
  expect(parseSubordinateIds(text, "carol", 7)).toEqual([]);
});

test("parseSubordinateIds() passes over numbers that no id can be", () => {
  const lines = [
    "-5:65536",
    "0x10:10",
    "1e5:10",
    " 7:10",
    "100000:0",
    "100000:-1",
    "4294967295:1",
    "4294967290:65536",
    `${"9".repeat(30)}:1`,
    "1.5:10",
  ];
  expect(parseSubordinateIds(lines.map((line) => `alice:${line}\n`).join(""), "alice", 1000)).toEqual([]);
  expect(parseSubordinateIds("alice:4294967294:1\n", "alice", 1000)).toEqual([
    { start: 4_294_967_294, size: 1 },
  ]);
});

test("parseSubordinateIds() leaves out what overlaps a range before: the kernel refuses such a map", () => {
  const text = "alice:1000:100\nalice:1000:100\nalice:1050:100\nalice:900:101\nalice:1100:100\n";
  expect(parseSubordinateIds(text, "alice", 1000)).toEqual([
    { start: 1000, size: 100 },
    { start: 1100, size: 100 },
  ]);
});

test("parseSubordinateIds() takes no more lines than an id map may have", () => {
  const text = Array.from({ length: 400 }, (_, i) => `alice:${100_000 + i * 10}:5\n`).join("");
  expect(parseSubordinateIds(text, "alice", 1000)).toHaveLength(339);
});
