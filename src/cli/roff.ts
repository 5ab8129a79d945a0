/** Pages in the man(7) macros of roff. */
import { version } from "./_version";
import { program } from "./find";
import type { Block, Inline, Page, Section, Span } from "./page";

const manDate = "2026-11-22"; // of the last change to the layout; the content is dated by the version

export function roffOf({ name, number, summary, sections }: Page): string {
  const lines = [
    '.\\" Generated from the command definitions: do not edit.',
    `.TH ${quoted(name.toUpperCase())} ${number} ${quoted(manDate)} ${quoted(`${program} ${version}`)} ${quoted(`${program} manual`)}`,
    ".SH NAME",
    `${escaped(name)} \\- ${escaped(summary)}`,
    ...sections.flatMap(sectionLines),
  ];
  return `${lines.join("\n")}\n`;
}

function sectionLines({ heading, blocks }: Section): string[] {
  return [
    `.SH ${heading.includes(" ") ? quoted(heading) : heading}`,
    ...blocks.flatMap((block, at) => blockLines(block, at === 0)),
  ];
}

function blockLines(block: Block, isFirst: boolean): string[] {
  switch (block.kind) {
    case "text":
      return [...(isFirst ? [] : [".PP"]), filled(block.text)];
    case "lines":
      return [...(isFirst ? [] : [".PP"]), ".nf", ...block.lines.map(unfilled), ".fi"];
    case "item":
      return [
        ".TP",
        unfilled(block.tag),
        ...block.body.flatMap((each, at) => {
          if (each.kind === "text") return [...(at === 0 ? [] : [".IP"]), filled(each.text)];
          if (each.kind === "lines") return [".IP", ".nf", ...each.lines.map(unfilled), ".fi"];
          return [".RS", ...blockLines(each, false), ".RE"];
        }),
      ];
  }
}

/** Text as lines of input: each sentence begins a line, none is longer than 80 bytes, none looks like a request. */
function filled(inline: Inline): string {
  return styled(inline)
    .replace(/([a-z0-9)]|\\fR)\. (?=(\\fB)?[A-Z])/g, "$1.\n")
    .split("\n")
    .flatMap(folded)
    .map(harmless)
    .join("\n");
}

function unfilled(inline: Inline): string {
  return harmless(styled(inline));
}

function harmless(line: string): string {
  return line.replace(/^[.']/, "\\&$&");
}

function styled(inline: Inline): string {
  return inline.map(spanOf).join("");
}

function spanOf({ text, style }: Span): string {
  if (style === undefined || text === "") return escaped(text);
  return `\\f${style === "bold" ? "B" : "I"}${escaped(text)}\\fR`;
}

/** Break a line between words. */
function folded(line: string): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    if (current !== "" && current.length + 1 + word.length > 78) {
      lines.push(current);
      current = word;
    } else {
      current = current === "" ? word : `${current} ${word}`;
    }
  }
  return [...lines, current];
}

/** Backslashes as such, hyphens and quotes as the ASCII ones that can be copied. */
function escaped(raw: string): string {
  return raw
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti");
}

function quoted(raw: string): string {
  return `"${raw.replaceAll('"', '""')}"`;
}
