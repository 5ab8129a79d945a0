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
