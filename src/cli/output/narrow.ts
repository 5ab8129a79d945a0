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
const LEAST_WIDTH = 8; // a column of fewer letters says nothing
const NO_WIDTH = 2; // a letter and what says that there are more
const LEAST_COLUMNS = 2; // one that names the thing, one that says how it is

/** Columns that say nothing before they are somewhat wider: "Exited (0)", "Up 2 hours". */
const leastWidths: Readonly<Record<string, number>> = {
  STATUS: 10,
  REPOSITORY: 12,
  "CREATED BY": 16,
  DESCRIPTION: 16,
  CMD: 16,
  COMMAND: 10,
};

/**
 * Columns that are left out where all of them would be too narrow to say something, those that are missed least first. What a thing is called and how
 * it is stands in none of these.
 */
const leastUse: readonly string[] = [
  ..."UTS CGROUPNS IPC PIDNS USERNS MNT NET".split(" "), // of ps --ns
  ..."C TTY STIME PPID".split(" "), // of top
  ...["LOCAL VOLUMES", "COMMAND", "COMMENT", "DIGEST", "SHARED SIZE", "UPDATED", "CREATED", "CREATED AT"],
  ...["AUTOMATED", "OFFICIAL", "STARS", "SCOPE", "STORE", "TRANSPORT", "ACTIVE", "TOTAL", "LINKS"],
  ...["BLOCK I/O", "NET I/O", "PIDS", "MEM USAGE / LIMIT", "IPV6", "IPV4", "INTERFACE"],
  ...["PORTS", "CONTAINERS", "UNIQUE SIZE", "RECLAIMABLE", "SIZE", "TIME", "UID", "IMAGE"],
  ...["NETWORK", "ID", "IMAGE ID", "NETWORK ID", "CONTAINER ID"],
];

/**
 * The table in `width` columns: first the widest columns give way, down to the width of the others, then the gaps between all of them. What would then be
 * too narrow to be read is made room for by leaving out the columns of least use. With the last ones those give way that are whole; what is wider even then
 * is cut at the edge. Each line ended.
 *
 * @param whole which columns are to stay as they are for as long as that can be
 */
export function narrowTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  whole: readonly boolean[],
  width: number,
): string {
  const all = [titles, ...rows].map((row) => row.map(oneLine));
  let kept = titles.map((_, at) => at);
  for (;;) {
    const cells = all.map((row) => kept.map((at) => row[at] ?? ""));
    const fitting = fit(
      cells,
      kept.map((at) => whole[at] === true),
      width,
    );
    const worst = fitting.fits ? undefined : leastUseful(titles, kept);
    if (worst === undefined) return laidOut(cells, fitting, width);
    kept = kept.filter((at) => at !== worst);
  }
}

type Fitting = { widths: number[]; gap: number; fits: boolean };

/** How wide the columns are made. Where they do not fit, every one has given what it can. */
function fit(cells: readonly (readonly string[])[], whole: readonly boolean[], width: number): Fitting {
  const titles = cells[0] ?? [];
  const widths = titles.map((_, at) => Math.max(...cells.map((row) => displayWidth(row[at] ?? ""))));
  const least = titles.map((title) => leastWidths[title] ?? LEAST_WIDTH);
  const floors = titles.map((title, at) => Math.max(least[at] ?? 0, displayWidth(title)));
  const flexible = whole.map((each) => !each);
  const gaps = titles.length - 1;
  let gap = USUAL_GAP;
  if (shrink(widths, flexible, floors, width - gaps * gap)) return { widths, gap, fits: true };
  while (gap > LEAST_GAP && total(widths) > width - gaps * gap) gap--;
  const room = width - gaps * gap;
  if (shrink(widths, flexible, least, room)) return { widths, gap, fits: true };
  const every = titles.map(() => true);
  if (!shrink(widths, every, least, room))
    shrink(
      widths,
      every,
      titles.map(() => NO_WIDTH),
      room,
    );
  return { widths, gap, fits: false };
}

/** Which of the columns that are left is missed least; undefined when none is left out any more. */
function leastUseful(titles: readonly string[], kept: readonly number[]): number | undefined {
  if (kept.length <= LEAST_COLUMNS) return undefined;
  const rank = (at: number): number => leastUse.indexOf(titles[at] ?? "");
  return kept.filter((at) => rank(at) >= 0).sort((a, b) => rank(a) - rank(b))[0];
}

function laidOut(cells: readonly (readonly string[])[], { widths, gap }: Fitting, width: number): string {
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
