/** Pages as text, for `proa help`. */
import { displayWidth } from "./output/table";
import type { Block, Inline, Page, Section } from "./page";

export type TextOptions = {
  /** Columns; text is filled up to 100 of them. */
  width: number;
  /** Whether bold and italic are shown as such. */
  styled: boolean;
};

const MOST = 100; // longer lines are hard to read

export function textOf(page: Page, { width, styled }: TextOptions): string {
  const most = Math.min(width, MOST);
  const step = most < 30 ? 1 : most < 60 ? 3 : 7;
  const paint = painter(styled);
  const name: Section = {
    heading: "NAME",
    blocks: [{ kind: "text", text: [{ text: `${page.name} - ${page.summary}` }] }],
  };
  return [name, ...page.sections]
    .map(({ heading, blocks }) => {
      const body = blocks.flatMap((block, at) => blockLines(block, step, step, most, paint, at === 0));
      const title = fill([{ text: heading, style: "bold" }], 0, most, paint);
      return [...title, ...body].map((line) => `${line}\n`).join("");
    })
    .join("\n");
}

type Painter = (span: Inline[number]) => string;

function painter(isStyled: boolean): Painter {
  if (!isStyled) return ({ text }) => text;
  return ({ text, style }) =>
    style === "bold" ? `\x1b[1m${text}\x1b[22m` : style === "italic" ? `\x1b[4m${text}\x1b[24m` : text;
}

function blockLines(
  block: Block,
  indent: number,
  step: number,
  width: number,
  paint: Painter,
  isFirst: boolean,
): string[] {
  const gap = isFirst ? [] : [""];
  switch (block.kind) {
    case "text":
      return [...gap, ...fill(block.text, indent, width, paint)];
    case "lines":
      return [...gap, ...block.lines.flatMap((line) => unfilled(line, indent, width, paint))];
    case "item":
      return [
        ...gap,
        ...fill(block.tag, indent, width, paint, indent + 2),
        ...block.body.flatMap((each, at) => blockLines(each, indent + step, step, width, paint, at === 0)),
      ];
  }
}

/** A line as it is, its blanks too, where it fits. */
function unfilled(line: Inline, indent: number, width: number, paint: Painter): string[] {
  const wide = line.reduce((sum, { text }) => sum + displayWidth(text), indent);
  if (wide > width) return fill(line, indent, width, paint, indent + 2);
  return [" ".repeat(indent) + line.map(paint).join("")];
}

/** Break into lines of at most `width`; words that are longer are cut. `further`: the indent of all lines but the first. */
function fill(text: Inline, indent: number, width: number, paint: Painter, further = indent): string[] {
  const lines: string[] = [];
  let line = " ".repeat(indent);
  let used = indent;
  let isEmpty = true;
  const next = (): void => {
    lines.push(line.trimEnd());
    line = " ".repeat(further);
    used = further;
    isEmpty = true;
  };
  for (const word of wordsOf(text)) {
    const wide = word.reduce((sum, each) => sum + displayWidth(each.text), 0);
    if (!isEmpty && used + 1 + wide > width) next();
    else if (!isEmpty) {
      line += " ";
      used++;
    }
    for (const span of word) {
      for (let rest = span.text; rest !== ""; ) {
        if (used >= width && !isEmpty) next();
        const room = Math.max(1, width - used);
        const fits = displayWidth(rest) <= room;
        const part = fits ? rest : cut(rest, room);
        line += paint({ ...span, text: part });
        used += displayWidth(part);
        isEmpty = false;
        rest = rest.slice(part.length);
        if (rest !== "") next();
      }
    }
  }
  lines.push(line.trimEnd());
  return lines;
}

/** As much of a text as fits, a letter at least. */
function cut(text: string, width: number): string {
  let kept = "";
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (kept !== "" && displayWidth(kept + segment) > width) break;
    kept += segment;
  }
  return kept;
}

/** The words of a line, each of the pieces that it is made of. Blanks at the line's beginning belong to the first. */
function wordsOf(text: Inline): Inline[] {
  const words: { text: string; style?: "bold" | "italic" }[][] = [];
  let isOpen = false;
  for (const { text: all, ...style } of text) {
    const parts = all.split(/( +)/);
    for (const [at, part] of parts.entries()) {
      if (part === "") continue;
      if (at % 2 === 1) {
        isOpen = words.length === 0;
        if (isOpen) words.push([{ text: part }]);
        continue;
      }
      if (isOpen) words.at(-1)?.push({ ...style, text: part });
      else words.push([{ ...style, text: part }]);
      isOpen = true;
    }
  }
  return words;
}
