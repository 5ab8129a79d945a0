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
  return alignCells(text.split("\n").map((line) => line.split("\t"))).join("\n");
}

/**
 * A table of titles and rows of cells, each line ended. Of plain characters, which is nearly always, a width is a length: of 500 rows
 * that is the difference between 6 ms and 3.
 */
export function tableOf(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [titles, ...rows];
  const plain = plainTable(lines);
  if (isPlain.test(plain) && !hasMoreLines(plain, lines.length)) return plain;
  const safe = lines.map((cells) => cells.map(oneLine));
  return alignCells(safe)
    .map((line) => `${line}\n`)
    .join("");
}

const isPlain = /^[\x20-\x7e\n]*$/;

/** A cell with a line end in it makes a line more. */
function hasMoreLines(text: string, count: number): boolean {
  let at = -1;
  for (let line = 0; line < count; line++) at = text.indexOf("\n", at + 1);
  return at !== text.length - 1;
}

/** The table as it is where every character takes one column. */
function plainTable(lines: readonly (readonly string[])[]): string {
  const last = (lines[0]?.length ?? 0) - 1;
  const widths = new Array<number>(last).fill(minimumWidth);
  for (const cells of lines) {
    for (let at = 0; at < last; at++) {
      const width = (cells[at] as string).length + padding;
      if (width > (widths[at] as number)) widths[at] = width;
    }
  }
  const blanks = " ".repeat(Math.max(0, ...widths));
  let text = "";
  for (const cells of lines) {
    for (let at = 0; at < last; at++) {
      const cell = cells[at] as string;
      text += cell + blanks.substring(0, (widths[at] as number) - cell.length);
    }
    text += `${cells[last]}\n`;
  }
  return text;
}

/** Align lines of cells, without going through a text. */
function alignCells(lines: readonly (readonly string[])[]): string[] {
  const own = lines.map((cells) => cells.map(displayWidth));
  const widths = lines.map((): number[] => []);
  measure(own, widths, 0, 0, lines.length);
  return lines.map((cells, row) => alignLine(cells, own[row] ?? [], widths[row] ?? []));
}

/** Find the runs of lines from `first` to `end` that have a column `column`, and their widths. */
function measure(own: number[][], widths: number[][], column: number, first: number, end: number): void {
  let row = first;
  while (row < end) {
    if ((own[row]?.length ?? 0) - 1 <= column) {
      row++; // the last cell of a line has no tab behind it and is in no column
      continue;
    }
    const start = row;
    let width = minimumWidth;
    for (; row < end && (own[row]?.length ?? 0) - 1 > column; row++) {
      width = Math.max(width, (own[row]?.[column] ?? 0) + padding);
    }
    for (let each = start; each < row; each++) widths[each]?.push(width);
    measure(own, widths, column + 1, start, row);
  }
}

function alignLine(cells: readonly string[], own: readonly number[], widths: readonly number[]): string {
  let line = "";
  for (let at = 0; at < cells.length; at++) {
    const width = widths[at];
    line += width === undefined ? cells[at] : cells[at] + " ".repeat(Math.max(0, width - (own[at] ?? 0)));
  }
  return line;
}

/** Columns that a text takes on a terminal. */
export function displayWidth(text: string): number {
  return Bun.stringWidth(text);
}

/** Cut a text to at most `width` columns of a terminal; what is cut ends in `…`. */
export function truncateToWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width < 1) return "";
  if (isPlain.test(text)) return `${text.slice(0, width - 1)}…`; // without a segmenter, which takes 30 µs to make
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

const steering = /[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The same JSON without what steers a terminal and JSON may hold as it is: C1 controls (a CSI among them), changes of direction. */
export function printableJson(json: string): string {
  return json.replace(steering, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
