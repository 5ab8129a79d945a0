/**
 * A page of the manual as data: what man(1) shows (`roff.ts`) and what `proa help` prints (`page-text.ts`) are made of the same. Pages of commands come
 * from their definitions (`man.ts`); those about a subject are written by hand (`pages/`), in the markup that `sectionsOf` reads.
 */

/** A piece of a line. Bold is what is typed as it is, italic what stands for something else. */
export type Span = { readonly text: string; readonly style?: "bold" | "italic" };
export type Inline = readonly Span[];

export type Block =
  | { readonly kind: "text"; readonly text: Inline }
  /** Lines that are not filled: a synopsis, a program. */
  | { readonly kind: "lines"; readonly lines: readonly Inline[] }
  /** Something and what is said of it. */
  | { readonly kind: "item"; readonly tag: Inline; readonly body: readonly Block[] };

export type Section = { readonly heading: string; readonly blocks: readonly Block[] };

export type Page = {
  /** "proa-run". */
  readonly name: string;
  /** Of the manual: 1, 5 or 7. */
  readonly number: number;
  readonly summary: string;
  readonly sections: readonly Section[];
};

export const bold = (text: string): Span => ({ text, style: "bold" });
export const italic = (text: string): Span => ({ text, style: "italic" });
export const plain = (text: string): Span => ({ text });

/** Text of the definitions: what stands between backticks is bold. */
export function inlineOf(text: string): Inline {
  return text
    .split(/(`[^`]+`)/)
    .filter((part) => part !== "")
    .map((part) => (/^`[^`]+`$/.test(part) ? bold(part.slice(1, -1)) : plain(part)));
}

/** Paragraphs, parted by an empty line. */
export function paragraphsOf(text: string): Block[] {
  return text.split(/\n\n+/).map((each) => ({ kind: "text", text: inlineOf(each.replaceAll("\n", " ")) }));
}

export function itemOf(tag: Inline, text: string): Block {
  return { kind: "item", tag, body: text === "" ? [] : paragraphsOf(text) };
}

/**
 * Read a page's markup: `# HEADING`; paragraphs parted by empty lines; `: tag`, with its text on the next lines, indented by two; and lines indented by
 * four, which stay as they are. Backticks mean bold.
 */
export function sectionsOf(markup: string): Section[] {
  const sections: { heading: string; blocks: Block[] }[] = [];
  for (const chunk of markup.trim().split(/\n\n+/)) {
    const lines = chunk.split("\n");
    const [first = ""] = lines;
    if (first.startsWith("# ")) {
      sections.push({ heading: first.slice(2), blocks: [] });
      continue;
    }
    sections.at(-1)?.blocks.push(...blocksOf(lines));
  }
  return sections;
}

function blocksOf(lines: readonly string[]): Block[] {
  if (lines.every((line) => line.startsWith("    ")))
    return [{ kind: "lines", lines: lines.map((line) => [bold(line.slice(4))]) }];
  const blocks: Block[] = [];
  let words: string[] = [];
  let tag: string | undefined;
  const end = (): void => {
    const text = words.join(" ");
    if (tag !== undefined) blocks.push(itemOf(inlineOf(tag), text));
    else if (text !== "") blocks.push({ kind: "text", text: inlineOf(text) });
    words = [];
  };
  for (const line of lines) {
    if (!line.startsWith(": ")) {
      words.push(line.trim());
      continue;
    }
    end();
    tag = line.slice(2);
  }
  end();
  return blocks;
}
