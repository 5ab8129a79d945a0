import { expect, test } from "bun:test";
import {
  hostLines,
  isIdentity,
  keepIdRanges,
  mapLineRanges,
  mergeRanges,
  nomapRanges,
  parentOf,
  rangesOf,
} from "../../src/oci";

/** The user 1000, with two ranges of subordinate ids. */
const usual = [
  { containerID: 0, hostID: 1000, size: 1 },
  { containerID: 1, hostID: 100_000, size: 1000 },
  { containerID: 1001, hostID: 500_000, size: 64_536 },
];
const COUNT = 65_537;
const both = { uid: usual, gid: usual };
const range = (containerID: number, parentID: number, size: number) => ({ containerID, parentID, size });

test("keepIdRanges() has every id once, and the caller where it is wanted", () => {
  expect(keepIdRanges(1000, COUNT)).toEqual([
    range(0, 1, 1000),
    range(1000, 0, 1),
    range(1001, 1001, 64_536),
  ]);
  expect(keepIdRanges(0, COUNT)).toEqual([range(0, 0, COUNT)]);
  expect(keepIdRanges(5, 6)).toEqual([range(0, 1, 5), range(5, 0, 1)]);
  expect(keepIdRanges(1000, COUNT, 10)).toEqual([range(0, 1, 9), range(1000, 0, 1)]);
  // an id beyond all that there are (a directory service), and nobody but the caller
  expect(keepIdRanges(2_000_000, COUNT)).toEqual([range(0, 1, 65_536), range(2_000_000, 0, 1)]);
  expect(keepIdRanges(1000, 1)).toEqual([range(1000, 0, 1)]);
  for (const ranges of [keepIdRanges(1000, COUNT), keepIdRanges(70_000, COUNT), keepIdRanges(1, COUNT)]) {
    expect(ranges.reduce((sum, { size }) => sum + size, 0)).toBe(COUNT);
    const parents = ranges.map(({ parentID }) => parentID).toSorted((a, b) => a - b);
    expect(new Set(parents).size).toBe(ranges.length);
  }
});

test("nomapRanges() has all but the caller", () => {
  expect(nomapRanges(COUNT)).toEqual([range(0, 1, 65_536)]);
});

test("hostLines() splits at the ends of the host's ranges, and rangesOf() puts them together again", () => {
  const ranges = keepIdRanges(1000, COUNT);
  const lines = hostLines("--userns", ranges, usual);
  expect(lines).toEqual([
    { containerID: 0, hostID: 100_000, size: 1000 },
    { containerID: 1000, hostID: 1000, size: 1 },
    { containerID: 1001, hostID: 500_000, size: 64_536 },
  ]);
  expect(mergeRanges(rangesOf(lines, usual))).toEqual(ranges);
  expect(hostLines("--userns", [range(0, 999, 4)], usual)).toEqual([
    { containerID: 0, hostID: 100_998, size: 2 },
    { containerID: 2, hostID: 500_000, size: 2 },
  ]);
  expect(() => hostLines("--uidmap", [range(0, 65_536, 2)], usual)).toThrow(
    "--uidmap: 0:65536:2: the id 65537 is not there: this user has 0 to 65536",
  );
  expect(() => rangesOf([{ containerID: 0, hostID: 0, size: 1 }], usual)).toThrow(
    "host id 0: it is none of this user's ids",
  );
});

test("isIdentity() knows the usual map however it is cut", () => {
  expect(isIdentity([range(0, 0, 1), range(1, 1, 65_536)], usual)).toBe(true);
  expect(isIdentity(keepIdRanges(0, COUNT), usual)).toBe(true);
  expect(isIdentity([range(0, 0, 65_536)], usual)).toBe(false);
  expect(isIdentity(keepIdRanges(1000, COUNT), usual)).toBe(false);
});

test("parentOf() finds an id, or nothing", () => {
  const ranges = keepIdRanges(1000, COUNT);
  expect([0, 999, 1000, 1001, 65_536, 65_537].map((id) => parentOf(ranges, id))).toEqual([
    1,
    1000,
    0,
    1001,
    65_536,
    undefined,
  ]);
});

test("mapLineRanges() takes one kind for both, and lines for one by their flags", () => {
  expect(mapLineRanges({ uid: ["0:1:10"], gid: [] }, both)).toEqual({
    uid: [range(0, 1, 10)],
    gid: [range(0, 1, 10)],
  });
  expect(mapLineRanges({ uid: ["0:1:10"], gid: ["0:5"] }, both)).toEqual({
    uid: [range(0, 1, 10)],
    gid: [range(0, 5, 1)],
  });
  expect(mapLineRanges({ uid: ["u0:1:10"], gid: [] }, both)).toEqual({
    uid: [range(0, 1, 10)],
    gid: [range(0, 0, COUNT)],
  });
});

test("mapLineRanges(): @ counts in ids of the host", () => {
  expect(mapLineRanges({ uid: ["7:@1000", "0:@100000:5"], gid: [] }, both).uid).toEqual([
    range(0, 1, 5),
    range(7, 0, 1),
  ]);
  expect(() => mapLineRanges({ uid: ["0:@100998:4"], gid: [] }, both)).toThrow(
    "host id 101000: it is none of this user's ids",
  );
});

test("mapLineRanges(): + changes the usual map and takes both ids out of where they were", () => {
  expect(mapLineRanges({ uid: ["+100:@1000"], gid: [] }, both).uid).toEqual([
    range(1, 1, 99),
    range(100, 0, 1),
    range(101, 101, COUNT - 101),
  ]);
  expect(mapLineRanges({ uid: ["+0:5:1"], gid: [] }, both).uid).toEqual([
    range(0, 5, 1),
    range(1, 1, 4),
    range(6, 6, COUNT - 6),
  ]);
});

test("mapLineRanges() refuses what is no line, and what overlaps", () => {
  for (const text of ["", "1", "1:2:3:4", "a:1:1", "1:-1:1", "x1:2", "0:0:99999999999"])
    expect(() => mapLineRanges({ uid: [text], gid: [] }, both)).toThrow(
      "expected [+]CONTAINER_ID:[@]FROM_ID[:AMOUNT]",
    );
  expect(() => mapLineRanges({ uid: ["0:0:0"], gid: [] }, both)).toThrow("the amount is 0");
  expect(() => mapLineRanges({ uid: ["4294967294:0:2"], gid: [] }, both)).toThrow("an id is too large");
  expect(() => mapLineRanges({ uid: ["0:0:10", "9:50:1"], gid: [] }, both)).toThrow(
    "9:50:1: it overlaps a line before it",
  );
  expect(() => mapLineRanges({ uid: ["0:0:10", "20:9:1"], gid: [] }, both)).toThrow(
    "20:9:1: it overlaps a line before it",
  );
});
