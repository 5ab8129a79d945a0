/**
 * Id maps other than the usual one. Everything is counted in the ids of the usual map (podman's "intermediate" ids): 0 is the caller, 1 and up
 * are its subordinate ids. A file of an image that belongs to N lies on the disk as intermediate N, so such a map is at the same time the table
 * of how owners have to change for it: container id N is intermediate `parentID + N - containerID`.
 */
import { EngineError } from "../error";
import type { IdMapping, Mappings } from "../helper";

export type IdRange = { containerID: number; parentID: number; size: number };

export type IdRanges = { uid: IdRange[]; gid: IdRange[] };

const HIGHEST_ID = 0xffff_fffe;

/** How many ids the usual map has. */
export function idCount(map: readonly IdMapping[]): number {
  return map.reduce((sum, { size }) => sum + size, 0);
}

/** The intermediate id of a container's, or undefined where it is not mapped. */
export function parentOf(ranges: readonly IdRange[], id: number): number | undefined {
  const range = ranges.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return range && range.parentID + id - range.containerID;
}

/** The runtime spec's lines for RANGES, on top of the usual map. Throws `invalid` for ids that it does not have. */
export function hostLines(
  what: string,
  ranges: readonly IdRange[],
  usual: readonly IdMapping[],
): IdMapping[] {
  return ranges.flatMap((range) => {
    const lines: IdMapping[] = [];
    for (let done = 0; done < range.size; ) {
      const id = range.parentID + done;
      const line = usual.find(({ containerID, size }) => id >= containerID && id < containerID + size);
      if (!line) {
        const last = idCount(usual) - 1;
        throw new EngineError(
          "invalid",
          what,
          `${range.containerID}:${range.parentID}:${range.size}`,
          `the id ${id} is not there: this user has 0 to ${last}`,
        );
      }
      const offset = id - line.containerID;
      const size = Math.min(range.size - done, line.size - offset);
      lines.push({ containerID: range.containerID + done, hostID: line.hostID + offset, size });
      done += size;
    }
    return lines;
  });
}

/** The same the other way: how lines of a runtime config look from the usual map. Throws `unsupported` for ids of others. */
export function rangesOf(lines: readonly IdMapping[], usual: readonly IdMapping[]): IdRange[] {
  return lines.flatMap((line) => {
    const ranges: IdRange[] = [];
    for (let done = 0; done < line.size; ) {
      const id = line.hostID + done;
      const found = usual.find(({ hostID, size }) => id >= hostID && id < hostID + size);
      if (!found)
        throw new EngineError(
          "unsupported",
          "join user namespace",
          `host id ${id}`,
          "it is none of this user's ids",
        );
      const offset = id - found.hostID;
      const size = Math.min(line.size - done, found.size - offset);
      ranges.push({ containerID: line.containerID + done, parentID: found.containerID + offset, size });
      done += size;
    }
    return ranges;
  });
}

/** Whether it is the usual map. */
export function isIdentity(ranges: readonly IdRange[], usual: readonly IdMapping[]): boolean {
  const merged = mergeRanges(ranges);
  const [only] = merged;
  return (
    merged.length === 1 && only?.containerID === 0 && only.parentID === 0 && only.size === idCount(usual)
  );
}

/** In the order of the container's ids, neighbours joined. */
export function mergeRanges(ranges: readonly IdRange[]): IdRange[] {
  const sorted = ranges.filter(({ size }) => size > 0).sort((a, b) => a.containerID - b.containerID);
  const merged: IdRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (
      last &&
      last.containerID + last.size === range.containerID &&
      last.parentID + last.size === range.parentID
    )
      merged[merged.length - 1] = { ...last, size: last.size + range.size };
    else merged.push(range);
  }
  return merged;
}

/**
 * The caller is ID inside, everybody else a subordinate id.
 *
 * @param count ids of the usual map
 * @param size ids of the container at most
 */
export function keepIdRanges(id: number, count: number, size = Number.POSITIVE_INFINITY): IdRange[] {
  const others = Math.min(count - 1, Math.max(0, size - 1)); // subordinate ids that are given away
  const below = Math.min(id, others);
  return mergeRanges([
    { containerID: 0, parentID: 1, size: below },
    { containerID: id, parentID: 0, size: 1 },
    { containerID: id + 1, parentID: 1 + below, size: Math.min(others - below, HIGHEST_ID - id) },
  ]);
}

/** Subordinate ids only. */
export function nomapRanges(count: number): IdRange[] {
  return mergeRanges([{ containerID: 0, parentID: 1, size: count - 1 }]);
}

/** A line of `--uidmap`: `[+][u][g]CONTAINER:[@]FROM[:AMOUNT]`. */
type MapLine = {
  containerID: number;
  parentID: number;
  size: number;
  extends: boolean;
  uid: boolean;
  gid: boolean;
};

const LINE = /^([+ug]*)(\d{1,10}):(@?)(\d{1,10})(?::(\d{1,10}))?$/;

function parseMapLine(what: string, text: string, usual: readonly IdMapping[]): MapLine {
  const fail = (why: string): EngineError => new EngineError("invalid", what, text || '""', why);
  const match = LINE.exec(text);
  if (!match) throw fail("expected [+]CONTAINER_ID:[@]FROM_ID[:AMOUNT]");
  const [, flags = "", container = "", at, from = "", amount = "1"] = match;
  const [containerID, fromID, size] = [Number(container), Number(from), Number(amount)];
  if (size === 0) throw fail("the amount is 0");
  if (containerID + size - 1 > HIGHEST_ID || fromID + size - 1 > HIGHEST_ID) throw fail("an id is too large");
  const both = !flags.includes("u") && !flags.includes("g");
  const more = {
    extends: flags.includes("+"),
    uid: both || flags.includes("u"),
    gid: both || flags.includes("g"),
  };
  if (!at) return { containerID, parentID: fromID, size, ...more };
  const [range, ...others] = rangesOf([{ containerID, hostID: fromID, size }], usual);
  if (!range || others.length > 0)
    throw fail("the ids lie in several of this user's ranges: give one line for each");
  return { ...range, ...more };
}

/** What is left of RANGES without the container's ids [containerID, +size) and the intermediate ones [parentID, +size). */
function without(ranges: readonly IdRange[], hole: IdRange): IdRange[] {
  const cut = (list: readonly IdRange[], key: "containerID" | "parentID"): IdRange[] =>
    list.flatMap((range) => {
      const from = Math.max(range[key], hole[key]);
      const to = Math.min(range[key] + range.size, hole[key] + hole.size);
      if (from >= to) return [range];
      const before = from - range[key];
      const after = to - range[key];
      return [
        { ...range, size: before },
        {
          containerID: range.containerID + after,
          parentID: range.parentID + after,
          size: range.size - after,
        },
      ].filter(({ size }) => size > 0);
    });
  return cut(cut(ranges, "containerID"), "parentID");
}

function overlaps(ranges: readonly IdRange[], range: IdRange, key: "containerID" | "parentID"): boolean {
  return ranges.some((other) => other[key] < range[key] + range.size && range[key] < other[key] + other.size);
}

/**
 * `--uidmap` and `--gidmap`. Lines with `+` change the usual map, which is all the others otherwise replace; where only one kind is given the other is the same.
 * Throws `invalid`.
 */
export function mapLineRanges(
  lines: { uid: readonly string[]; gid: readonly string[] },
  usual: Mappings,
): IdRanges {
  const parsed = {
    uid: lines.uid.map((text) => parseMapLine("uidmap", text, usual.uid)),
    gid: lines.gid.map((text) => parseMapLine("gidmap", text, usual.gid)),
  };
  // a line may say by its flags which it is for; otherwise it is for its own kind, and for the other where that has none
  const uidLines = [
    ...parsed.uid.filter(({ uid }) => uid),
    ...parsed.gid.filter(({ uid, gid }) => uid && (!gid || lines.uid.length === 0)),
  ];
  const gidLines = [
    ...parsed.gid.filter(({ gid }) => gid),
    ...parsed.uid.filter(({ uid, gid }) => gid && (!uid || lines.gid.length === 0)),
  ];
  return {
    uid: combine("uidmap", uidLines, idCount(usual.uid)),
    gid: combine("gidmap", gidLines, idCount(usual.gid)),
  };
}

function combine(what: string, lines: readonly MapLine[], count: number): IdRange[] {
  const isWhole = lines.length === 0 || lines.every((line) => line.extends);
  let ranges: IdRange[] = isWhole ? [{ containerID: 0, parentID: 0, size: count }] : [];
  for (const { containerID, parentID, size, extends: isMore } of lines) {
    const range = { containerID, parentID, size };
    if (isMore) {
      ranges = without(ranges, range);
    } else if (overlaps(ranges, range, "containerID") || overlaps(ranges, range, "parentID")) {
      throw new EngineError(
        "invalid",
        what,
        `${containerID}:${parentID}:${size}`,
        "it overlaps a line before it",
      );
    }
    ranges.push(range);
  }
  return mergeRanges(ranges);
}
