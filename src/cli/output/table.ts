/**
 * Elastic tabs, as Go's text/tabwriter makes docker's tables: a cell ends with a tab, a column is a run of lines that have
 * that cell, and is as wide as its widest cell plus padding. Widths are those on a terminal: wide characters count two,
 * combining ones none.
 */

const minimumWidth = 10;
const padding = 3;

/** Align the tab-separated cells of `text`. */
export function alignTabs(text: string): string {
  if (!text.includes("\t")) return text;
  const lines = text.split("\n").map((line) => line.split("\t"));
  const widths = lines.map((): number[] => []);
  measure(lines, widths, 0, 0, lines.length);
  return lines.map((cells, row) => alignLine(cells, widths[row] ?? [])).join("\n");
}

/** Find the runs of lines from `first` to `end` that have a column `column`, and their widths. */
function measure(lines: string[][], widths: number[][], column: number, first: number, end: number): void {
  let row = first;
  while (row < end) {
    if ((lines[row]?.length ?? 0) - 1 <= column) {
      row++; // the last cell of a line has no tab behind it and is in no column
      continue;
    }
    const start = row;
    let width = minimumWidth;
    for (; row < end && (lines[row]?.length ?? 0) - 1 > column; row++) {
      width = Math.max(width, displayWidth(lines[row]?.[column] ?? "") + padding);
    }
    for (let each = start; each < row; each++) widths[each]?.push(width);
    measure(lines, widths, column + 1, start, row);
  }
}

function alignLine(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, at) => {
      const width = widths[at];
      return width === undefined ? cell : cell + " ".repeat(Math.max(0, width - displayWidth(cell)));
    })
    .join("");
}

/** Columns that a text takes on a terminal. */
export function displayWidth(text: string): number {
  return /^[\x20-\x7e]*$/.test(text) ? text.length : Bun.stringWidth(text);
}

/** Cut a text to at most `width` columns of a terminal; what is cut ends in `…`. */
export function truncateToWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width < 1) return "";
  let kept = "";
  let used = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    used += displayWidth(segment);
    if (used > width - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

const control = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Make a foreign text (a label, a command) safe for a cell: no tab, line end, escape or change of direction. */
export function oneLine(text: string): string {
  return text.replace(control, (char) => (char === "\t" || char === "\n" ? " " : "�"));
}
