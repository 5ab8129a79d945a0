/** Tables on a terminal that is narrower than they are. */
import { displayWidth, oneLine, truncateToWidth } from "./table";

/** Whether a line of a text takes more columns than there are. */
export function isWider(text: string, width: number): boolean {
  return text.split("\n").some((line) => line.length > width / 2 && displayWidth(line) > width);
}

/** Cut every line to the width. */
export function cutLines(text: string, width: number): string {
  if (!isWider(text, width)) return text;
  return text
    .split("\n")
    .map((line) => truncateToWidth(line, width).trimEnd())
    .join("\n");
}

const USUAL_GAP = 3; // docker's
const LEAST_GAP = 1;
const LEAST_WIDTH = 6; // a column of fewer letters says nothing

/**
 * The table in `width` columns: first the widest columns give way, down to the width of the others, then the gaps between all of them, then those that are
 * whole; what is wider even then is cut at the edge. Each line ended.
 *
 * @param whole which columns are to stay as they are for as long as that can be
 */
export function narrowTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  whole: readonly boolean[],
  width: number,
): string {
  const cells = [titles, ...rows].map((row) => row.map(oneLine));
  const widths = titles.map((_, at) => Math.max(...cells.map((row) => displayWidth(row[at] ?? ""))));
  const floors = titles.map((title) => Math.max(LEAST_WIDTH, displayWidth(title)));
  const gaps = titles.length - 1;
  const flexible = widths.map((_, at) => whole[at] !== true);
  let gap = USUAL_GAP;
  if (!shrink(widths, flexible, floors, width - gaps * gap)) {
    while (gap > LEAST_GAP && total(widths) > width - gaps * gap) gap--;
    const room = width - gaps * gap;
    const small = titles.map(() => LEAST_WIDTH);
    if (!shrink(widths, flexible, small, room)) {
      const all = titles.map(() => true);
      shrink(widths, all, small, room);
    }
  }
  const lines = cells.map((row) =>
    row
      .map((cell, at) => {
        const shown = truncateToWidth(cell, widths[at] ?? 0);
        return shown + " ".repeat(Math.max(0, (widths[at] ?? 0) - displayWidth(shown)));
      })
      .join(" ".repeat(gap)),
  );
  return lines.map((line) => `${truncateToWidth(line.trimEnd(), width)}\n`).join("");
}

const total = (widths: readonly number[]): number => widths.reduce((sum, each) => sum + each, 0);

/** Take columns from the widest that may give some, one at a time, until all fit. Returns whether they do. */
function shrink(widths: number[], may: readonly boolean[], floors: readonly number[], room: number): boolean {
  while (total(widths) > room) {
    let widest = -1;
    for (let at = 0; at < widths.length; at++) {
      if (may[at] !== true || (widths[at] as number) <= (floors[at] as number)) continue;
      if (widest < 0 || (widths[at] as number) > (widths[widest] as number)) widest = at;
    }
    if (widest < 0) return false;
    widths[widest] = (widths[widest] as number) - 1;
  }
  return true;
}
