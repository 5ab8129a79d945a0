import { TemplateError } from "./error";
import { lex, type Token, type TokenKind } from "./lex";
import { quote, unquote } from "./literal";

/** The tree of a template, and the recursive-descent parser that makes it (text/template/parse). */

export type Expression = { at: number; source: string } & (
  | { kind: "dot" }
  | { kind: "nil" }
  | { kind: "literal"; value: string | number | bigint | boolean }
  | { kind: "variable"; name: string; fields: string[] }
  | { kind: "field"; fields: string[] }
  | { kind: "function"; name: string }
  | { kind: "chain"; base: Expression; fields: string[] }
  | { kind: "pipeline"; pipeline: Pipeline }
);

export type Command = { at: number; source: string; words: Expression[] };

export type Pipeline = {
  at: number;
  source: string;
  /** `$x :=` or `$x =` in front; with `range` up to two. */
  variables: string[];
  assigns: boolean;
  commands: Command[];
};

export type Control = { kind: "if" | "with" | "range"; pipeline: Pipeline; body: Node[]; otherwise: Node[] };

export type Node =
  | { kind: "text"; text: string }
  | { kind: "action"; pipeline: Pipeline }
  | Control
  | { kind: "break" | "continue" }
  | { kind: "template"; name: string; pipeline: Pipeline | undefined; at: number; source: string };

/** What is executed, and the templates that it names. */
export type Parsed = { nodes: Node[]; definitions: ReadonlyMap<string, Node[]> };

type Keyword = Control["kind"];

/** Parse a template. `functions` are the names that may be called. Throws `TemplateError`. */
export function parseTemplate(source: string, functions: ReadonlySet<string>): Parsed {
  return new Parser(source, functions).run();
}

class Parser {
  private readonly tokens: Token[];
  private at = 0;
  private variables = ["$"];
  private rangeDepth = 0;
  private depth = 0; // of what ends with {{end}}
  private readonly definitions = new Map<string, Node[]>();

  constructor(
    private readonly source: string,
    private readonly functions: ReadonlySet<string>,
  ) {
    this.tokens = lex(source);
  }

  run(): Parsed {
    const { nodes, end } = this.list();
    if (end !== "eof") throw this.error(`unexpected {{${end}}}`);
    return { nodes, definitions: this.definitions };
  }

  /** Nodes up to `{{end}}`, `{{else …}}` (left in front of what follows the word) or the end of the template. */
  private list(): { nodes: Node[]; end: "end" | "else" | "eof" } {
    const nodes: Node[] = [];
    for (;;) {
      const token = this.next();
      if (token.kind === "eof") return { nodes, end: "eof" };
      if (token.kind === "text") {
        nodes.push({ kind: "text", text: token.text });
        continue;
      }
      const word = this.peekSolid();
      if (word.kind === "identifier" && (word.text === "end" || word.text === "else")) {
        this.nextSolid();
        if (word.text === "end") this.expectRight("end");
        return { nodes, end: word.text };
      }
      if (this.depth === 0 && word.kind === "identifier" && word.text === "define") this.definition();
      else nodes.push(this.action());
    }
  }

  private action(): Node {
    const word = this.peekSolid();
    if (word.kind === "identifier") {
      switch (word.text) {
        case "if":
        case "with":
        case "range":
          this.nextSolid();
          return this.control(word.text);
        case "break":
        case "continue":
          this.nextSolid();
          if (this.rangeDepth === 0) throw this.error(`{{${word.text}}} outside {{range}}`);
          this.expectRight(word.text);
          return { kind: word.text };
        case "define":
          throw this.error("unexpected <define> in command");
        case "template":
          return this.template(word);
        case "block": {
          this.nextSolid();
          const name = this.templateName("block clause");
          const pipeline = this.pipeline("block clause");
          this.body(name);
          return { kind: "template", name, pipeline, at: word.at, source: "" };
        }
      }
    }
    return { kind: "action", pipeline: this.pipeline("command") };
  }

  /** `{{define "name"}}…{{end}}` */
  private definition(): void {
    this.nextSolid();
    const name = this.templateName("define clause");
    this.expectRight("define clause");
    this.body(name);
  }

  /** A template of its own up to `{{end}}`: it sees no variables but `$`. */
  private body(name: string): void {
    const { variables, rangeDepth } = this;
    this.variables = ["$"];
    this.rangeDepth = 0;
    this.depth++;
    const { nodes, end } = this.list();
    this.depth--;
    Object.assign(this, { variables, rangeDepth });
    if (end === "eof") throw this.error("unexpected EOF");
    if (end === "else") throw this.error("unexpected {{else}}");
    if (this.definitions.has(name))
      throw this.error(`template: multiple definition of template ${quote(name)}`);
    this.definitions.set(name, nodes);
  }

  private template(word: Token): Node {
    this.nextSolid();
    const { at } = this.peekSolid();
    const name = this.templateName("template clause");
    let pipeline: Pipeline | undefined;
    if (this.peekSolid().kind === "right") this.nextSolid();
    else pipeline = this.pipeline("template clause");
    const shown = [`template ${quote(name)}`, ...(pipeline ? [pipeline.source] : [])].join(" ");
    return { kind: "template", name, pipeline, at: pipeline ? word.at + 9 : at, source: `{{${shown}}}` };
  }

  private templateName(context: string): string {
    const token = this.nextSolid();
    if (token.kind !== "string" && token.kind !== "raw") {
      const shown = token.kind === "right" ? "}}" : token.text;
      throw this.error(`unexpected "${shown}" in ${context}`);
    }
    return String(this.unquote(token));
  }

  private control(kind: Keyword): Node {
    const scope = this.variables.length;
    this.depth++;
    if (kind === "range") this.rangeDepth++;
    const pipeline = this.pipeline(kind);
    const body = this.list();
    if (kind === "range") this.rangeDepth--;
    let otherwise: Node[] = [];
    if (body.end === "eof") throw this.error("unexpected EOF");
    if (body.end === "else") otherwise = this.otherwise(kind);
    this.depth--;
    this.variables.length = scope;
    return { kind, pipeline, body: body.nodes, otherwise };
  }

  /** What follows the word `else`: a body, or for `if` and `with` another condition. */
  private otherwise(kind: Keyword): Node[] {
    const word = this.peekSolid();
    if (kind !== "range" && word.kind === "identifier" && word.text === kind) {
      this.nextSolid();
      return [this.control(kind)]; // shares its {{end}} with the outer one
    }
    this.expectRight(word.kind === "identifier" ? "input" : "else");
    const { nodes, end } = this.list();
    if (end === "else") throw this.error("expected end; found {{else}}");
    if (end === "eof") throw this.error("unexpected EOF");
    return nodes;
  }

  private pipeline(context: string, closer: TokenKind = "right"): Pipeline {
    const first = this.peekSolid();
    const { names, assigns } = this.declarations(context);
    const commands: Command[] = [];
    for (;;) {
      const token = this.peekSolid();
      if (token.kind === closer) {
        this.nextSolid();
        if (commands.length === 0) throw this.error(`missing value for ${context}`);
        this.checkStages(commands);
        if (!assigns) this.variables.push(...names);
        const source = this.source.slice(first.at, token.at).trim();
        return { at: first.at, source, variables: names, assigns, commands };
      }
      commands.push(this.command(context, closer));
    }
  }

  /** `$x :=`, `$x =`, and for range `$i, $x :=`. */
  private declarations(context: string): { names: string[]; assigns: boolean } {
    const start = this.at;
    const names: string[] = [];
    for (;;) {
      const variable = this.nextSolid();
      if (variable.kind !== "variable") break;
      const sign = this.nextSolid();
      names.push(variable.text);
      if (sign.kind === ":=" || sign.kind === "=") {
        if (names.length > (context === "range" ? 2 : 1))
          throw this.error(`too many declarations in ${context}`);
        for (const name of sign.kind === "=" ? names : []) this.checkVariable(name);
        return { names, assigns: sign.kind === "=" };
      }
      if (sign.kind !== ",") break;
      if (context !== "range") throw this.error(`too many declarations in ${context}`);
    }
    this.at = start;
    return { names: [], assigns: false };
  }

  /** Only a function or a method takes the value of the stage before it. */
  private checkStages(commands: Command[]): void {
    for (const [index, command] of commands.entries()) {
      const kind = command.words[0]?.kind;
      if (index > 0 && (kind === "literal" || kind === "dot" || kind === "nil")) {
        throw this.error(`non executable command in pipeline stage ${index + 1}`);
      }
    }
  }

  private command(context: string, closer: TokenKind): Command {
    const first = this.peekSolid();
    const words: Expression[] = [];
    let end = first.at;
    for (;;) {
      this.skipSpace();
      const word = this.operand();
      if (word !== undefined) {
        words.push(word);
        end = this.peek().at;
      }
      const token = this.peek();
      if (token.kind === "space") {
        this.skipSpace();
        if (this.peek().kind !== "|" && this.peek().kind !== closer) continue;
      }
      const after = this.peek();
      if (after.kind === closer) break;
      if (after.kind === "|") {
        if (words.length === 0) throw this.error(`unexpected "|" in ${context}`);
        this.next();
        if (this.peekSolid().kind === closer) throw this.error(`missing value for ${context}`);
        break;
      }
      if (word === undefined || token.kind !== "space")
        throw this.error(`unexpected ${describe(after)} in operand`);
    }
    if (words.length === 0) throw this.error("empty command");
    return { at: first.at, source: this.source.slice(first.at, end).trim(), words };
  }

  private operand(): Expression | undefined {
    const token = this.peek();
    const base = this.term(token);
    if (base === undefined) return undefined;
    const fields: string[] = [];
    const chainAt = this.peek().at; // where Go reports errors of a chain: at its second part
    while (this.peek().kind === "field") fields.push(this.next().text.slice(1));
    const source = this.source.slice(token.at, this.peek().at);
    if (fields.length === 0) return { ...base, source };
    switch (base.kind) {
      case "field":
      case "variable":
        return { ...base, at: chainAt, source, fields: [...base.fields, ...fields] };
      case "literal":
      case "nil":
      case "dot":
        throw this.error(`unexpected . after term "${base.source}"`);
      default:
        return { kind: "chain", at: chainAt, source, base, fields };
    }
  }

  private term(token: Token): Expression | undefined {
    const here = { at: token.at, source: token.text };
    switch (token.kind) {
      case "identifier":
        this.next();
        if (!this.functions.has(token.text)) throw this.error(`function "${token.text}" not defined`);
        return { kind: "function", name: token.text, ...here };
      case "dot":
        this.next();
        return { kind: "dot", ...here };
      case "nil":
        this.next();
        return { kind: "nil", ...here };
      case "variable":
        this.next();
        this.checkVariable(token.text);
        return { kind: "variable", name: token.text, fields: [], ...here };
      case "field":
        this.next();
        return { kind: "field", fields: [token.text.slice(1)], ...here };
      case "bool":
        this.next();
        return { kind: "literal", value: token.text === "true", ...here };
      case "number":
        this.next();
        return { kind: "literal", value: this.number(token), ...here };
      case "char":
      case "string":
      case "raw":
        this.next();
        return { kind: "literal", value: this.unquote(token), ...here };
      case "(": {
        this.next();
        const pipeline = this.pipeline("parenthesized pipeline", ")");
        return { kind: "pipeline", pipeline, ...here };
      }
      default:
        return undefined;
    }
  }

  private number({ text }: Token): number | bigint {
    const digits = text.replace(/^[+-]/, "");
    const isNegative = text.startsWith("-");
    const plain = digits.replaceAll("_", "");
    if (wholeNumber.test(digits)) {
      const value = BigInt(/^0[0-7]/.test(plain) ? `0o${plain.slice(1)}` : plain);
      if (value > MOST + (isNegative ? 1n : 0n)) throw this.error(`integer overflow: "${text}"`);
      const signed = isNegative ? -value : value;
      return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
    }
    if (!realNumber.test(digits)) {
      const what = /^[0-9]+$/.test(digits) ? "integer overflow" : "illegal number syntax";
      throw this.error(`${what}: "${text}"`);
    }
    const value = /^0[xX]/.test(plain) ? hexadecimalReal(plain) : Number(plain);
    return isNegative ? -value : value;
  }

  private unquote(token: Token): string | number {
    if (token.kind === "raw") return token.text.slice(1, -1);
    const text = unquote(token.text);
    if (text === undefined || token.text === "''") throw this.error("invalid syntax");
    if (token.kind === "string") return text;
    if ([...text].length !== 1) throw this.error(`malformed character constant: ${token.text}`);
    return text.codePointAt(0) ?? 0;
  }

  private checkVariable(name: string): void {
    if (!this.variables.includes(name)) throw this.error(`undefined variable "${name}"`);
  }

  private expectRight(context: string): void {
    const token = this.nextSolid();
    if (token.kind !== "right") throw this.error(`unexpected ${describe(token)} in ${context}`);
  }

  private peek(): Token {
    const token = this.tokens[this.at];
    if (token === undefined) throw this.error("unexpected EOF");
    return token;
  }

  private next(): Token {
    const token = this.peek();
    this.at++;
    return token;
  }

  private skipSpace(): void {
    while (this.peek().kind === "space") this.at++;
  }

  private peekSolid(): Token {
    this.skipSpace();
    return this.peek();
  }

  private nextSolid(): Token {
    this.skipSpace();
    return this.next();
  }

  private error(message: string): TemplateError {
    const token = this.tokens[Math.min(this.at, this.tokens.length - 1)];
    return TemplateError.parsing(this.source, token?.at ?? 0, message);
  }
}

const MOST = 2n ** 63n - 1n; // int64
const wholeNumber = /^(0[xX](_?[0-9a-fA-F])+|0[oO](_?[0-7])+|0[bB](_?[01])+|0(_?[0-7])*|[1-9](_?[0-9])*)$/;
const realNumber =
  /^(0[xX](?=_?[0-9a-fA-F.])(_?[0-9a-fA-F])*(\.[0-9a-fA-F]*)?[pP][+-]?[0-9]+|(?=\.?[0-9])([0-9](_?[0-9])*)?\.[0-9]*([eE][+-]?[0-9]+)?|[0-9](_?[0-9])*[eE][+-]?[0-9]+)$/;

/** 0x1.8p4 */
function hexadecimalReal(text: string): number {
  const [, whole = "", fraction = "", power = "0"] =
    /^0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)[pP](.*)$/.exec(text) ?? [];
  return Number.parseInt(`0${whole}${fraction}`, 16) * 2 ** (Number(power) - 4 * fraction.length);
}

function describe(token: Token): string {
  if (token.kind === "eof") return "EOF";
  if (token.kind === "identifier" || token.kind === "field") return `<${token.text}>`;
  return `"${token.text}"`;
}
