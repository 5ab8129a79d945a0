import { TemplateError } from "./error";

/**
 * The words of a Go template (text/template's lexer), as far as docker's formats use the language: text, actions with trim
 * markers and comments, identifiers, fields, variables, numbers, characters, strings in both kinds of quotes.
 */

export type TokenKind =
  | "text"
  | "left" // {{
  | "right" // }}
  | "space"
  | "identifier"
  | "field" // .Name
  | "dot"
  | "variable" // $ or $name
  | "number"
  | "char"
  | "string"
  | "raw"
  | "bool"
  | "nil"
  | "("
  | ")"
  | "|"
  | ","
  | "="
  | ":="
  | "eof";

export type Token = {
  kind: TokenKind;
  /** As written, quotes and leading dot included. */
  text: string;
  /** Offset in the template. */
  at: number;
};

const wordPattern = /[\p{L}\p{Nd}_]*/uy;

/** Split a template into tokens; the last one is `eof`. Throws `TemplateError`. */
export function lex(source: string): Token[] {
  return new Lexer(source).run();
}

class Lexer {
  private readonly tokens: Token[] = [];
  private at = 0;

  constructor(private readonly source: string) {}

  run(): Token[] {
    let trimNext = false;
    while (this.at < this.source.length) {
      const open = this.source.indexOf("{{", this.at);
      let text = this.source.slice(this.at, open < 0 ? undefined : open);
      const start = this.at;
      if (trimNext) text = text.trimStart();
      const trims = open >= 0 && /^-[ \t\r\n]/.test(this.source.slice(open + 2, open + 4));
      if (trims) text = text.trimEnd();
      if (text !== "") this.tokens.push({ kind: "text", text, at: start });
      if (open < 0) break;
      this.at = open + 2 + (trims ? 2 : 0);
      trimNext = this.source.startsWith("/*", this.at) ? this.comment() : this.action(open);
    }
    this.tokens.push({ kind: "eof", text: "", at: this.source.length });
    return this.tokens;
  }

  /** Skip a comment. Returns whether the text behind it is trimmed. */
  private comment(): boolean {
    const end = this.source.indexOf("*/", this.at);
    if (end < 0) throw this.error("unclosed comment", this.at);
    this.at = end + 2;
    const close = /^([ \t\r\n]-)?\}\}/.exec(this.source.slice(this.at, this.at + 4));
    if (close === null) throw this.error("comment ends before closing delimiter", this.at);
    this.at += close[0].length;
    return close[1] !== undefined;
  }

  /** Read the tokens of an action up to its end. Returns whether the text behind it is trimmed. */
  private action(open: number): boolean {
    this.push("left", 0, open);
    let depth = 0;
    for (;;) {
      const rest = this.source.slice(this.at, this.at + 4);
      const close = /^([ \t\r\n]-)?\}\}/.exec(rest);
      if (close !== null) {
        if (depth > 0) throw this.error("unclosed left paren", this.at);
        this.push("right", close[0].length);
        return close[1] !== undefined;
      }
      const char = this.source[this.at];
      if (char === undefined) throw this.error("unclosed action", this.at);
      if (char === "(") depth++;
      if (char === ")" && --depth < 0) throw this.error("unexpected right paren", this.at);
      this.token(char);
    }
  }

  private token(char: string): void {
    const next = this.source[this.at + 1] ?? "";
    if (/[ \t\r\n]/.test(char)) this.spaces();
    else if (/[()|,=]/.test(char)) this.push(char as TokenKind, 1);
    else if (char === ":" && next === "=") this.push(":=", 2);
    else if (char === ":") throw this.error("expected :=", this.at);
    else if (char === '"') this.quoted('"', "string", "unterminated quoted string");
    else if (char === "'") this.quoted("'", "char", "unterminated character constant");
    else if (char === "`") this.raw();
    else if (char === "$") this.word("variable", 1);
    else if (/[0-9+-]/.test(char) || (char === "." && /[0-9]/.test(next))) this.number();
    else if (char === ".") this.word("field", 1);
    else if (/[\p{L}_]/u.test(this.charAt())) this.word("identifier", 0);
    else throw this.strange(this.charAt());
  }

  private strange(char: string): TemplateError {
    const before = this.tokens.findLast(({ kind }) => kind !== "space")?.kind;
    const where = before === "left" || before === "|" ? "command" : "operand";
    if (/^[!-~]$/.test(char)) return this.error(`unexpected "${char}" in ${where}`, this.at);
    const code = char.codePointAt(0) ?? 0;
    const hex = code.toString(16).toUpperCase().padStart(4, "0");
    return this.error(`unrecognized character in action: U+${hex} '${char}'`, this.at);
  }

  private charAt(): string {
    return String.fromCodePoint(this.source.codePointAt(this.at) ?? 0);
  }

  /** White space, except what belongs to a closing trim marker. */
  private spaces(): void {
    let end = this.at;
    while (/[ \t\r\n]/.test(this.source[end] ?? "")) {
      if (/^[ \t\r\n]-\}\}/.test(this.source.slice(end, end + 4))) break;
      end++;
    }
    if (end > this.at) this.push("space", end - this.at);
  }

  private word(kind: "identifier" | "field" | "variable", skip: number): void {
    wordPattern.lastIndex = this.at + skip;
    const length = skip + (wordPattern.exec(this.source)?.[0].length ?? 0);
    const text = this.source.slice(this.at, this.at + length);
    const after = this.source[this.at + length];
    if (after !== undefined && !/[ \t\r\n.,|:=()}]/.test(after) && text !== ".") {
      const code = after.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
      throw this.error(`bad character U+${code} '${after}'`, this.at);
    }
    if (text === ".") this.push("dot", 1);
    else if (text === "true" || text === "false") this.push("bool", length);
    else if (text === "nil") this.push("nil", length);
    else this.push(kind, length);
  }

  private number(): void {
    const pattern =
      /[+-]?(0[xX][0-9a-fA-F_]*\.?[0-9a-fA-F_]*([pP][+-]?[0-9_]*)?|0[oO][0-7_]*|0[bB][01_]*|[0-9_]*\.?[0-9_]*([eE][+-]?[0-9_]*)?)/y;
    pattern.lastIndex = this.at;
    const text = pattern.exec(this.source)?.[0] ?? "";
    const after = this.source[this.at + text.length] ?? "";
    if (/[\p{L}\p{Nd}_]/u.test(after)) throw this.error(`bad number syntax: "${text}${after}"`, this.at);
    this.push("number", text.length);
  }

  private quoted(quote: string, kind: "string" | "char", message: string): void {
    for (let end = this.at + 1; end < this.source.length; end++) {
      const char = this.source[end];
      if (char === "\\") end++;
      else if (char === "\n") break;
      else if (char === quote) {
        this.push(kind, end + 1 - this.at);
        return;
      }
    }
    throw this.error(message, this.at);
  }

  private raw(): void {
    const end = this.source.indexOf("`", this.at + 1);
    if (end < 0) throw this.error("unterminated raw quoted string", this.at);
    this.push("raw", end + 1 - this.at);
  }

  private push(kind: TokenKind, length: number, at = this.at): void {
    this.tokens.push({ kind, text: this.source.slice(at, at + length), at });
    this.at += length;
  }

  private error(message: string, at: number): TemplateError {
    return TemplateError.parsing(this.source, at, message);
  }
}
