const simpleEscapes: Record<string, string> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
  "'": "'",
};

/** The text of a Go string or character literal, quotes included; undefined where an escape is none of Go's. */
export function unquote(literal: string): string | undefined {
  let wrong = false;
  const body = literal.slice(1, -1);
  const pattern = /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|[\s\S])/g;
  const text = body.replace(pattern, (_whole, letter: string) => {
    if (/^[xuU]./.test(letter)) return codePoint(Number.parseInt(letter.slice(1), 16));
    if (/^[0-7]{3}$/.test(letter)) return codePoint(Number.parseInt(letter, 8));
    const simple = Object.hasOwn(simpleEscapes, letter) ? simpleEscapes[letter] : undefined;
    wrong ||= simple === undefined;
    return simple ?? "";
  });
  return wrong ? undefined : text;
}

function codePoint(value: number): string {
  return value <= 0x10ffff ? String.fromCodePoint(value) : "\uFFFD";
}

/** A string as Go's %q writes it. */
export function quote(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const named = Object.entries(simpleEscapes).find(([letter, value]) => value === char && letter !== "'");
    if (named !== undefined) out += `\\${named[0]}`;
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (/\p{C}/u.test(char)) out += code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
    else out += char;
  }
  return `${out}"`;
}

function hex(code: number, width: number): string {
  return code.toString(16).padStart(width, "0");
}
