import { TemplateError } from "./error";
import { ArgumentError, arityError, type Functions } from "./functions";
import { quote } from "./literal";
import type { Command, Control, Expression, Node, Parsed, Pipeline } from "./parse";
import { isList, isMap, isStruct, isTrue, printTop, sortedEntries, typeName, type Value } from "./value";

type Located = { at: number; source: string };

const MOST_DEPTH = 500;

/** Thrown to leave a range; never seen outside this file. */
class LoopSignal {
  constructor(readonly kind: "break" | "continue") {}
}

/** Execute a parsed template over a value. Throws `TemplateError`. */
export function execute(parsed: Parsed, source: string, data: Value, functions: Functions): string {
  const executor = new Executor(source, functions, parsed, data);
  executor.walk(parsed.nodes, data);
  return executor.out;
}

class Executor {
  out = "";
  private variables: { name: string; value: Value }[];
  private depth = 0; // of templates in templates

  constructor(
    private readonly source: string,
    private readonly functions: Functions,
    private readonly parsed: Parsed,
    data: Value,
  ) {
    this.variables = [{ name: "$", value: data }];
  }

  walk(nodes: readonly Node[], dot: Value): void {
    for (const node of nodes) this.walkOne(node, dot);
  }

  private walkOne(node: Node, dot: Value): void {
    switch (node.kind) {
      case "text":
        this.out += node.text;
        return;
      case "action": {
        const value = this.pipeline(node.pipeline, dot);
        if (node.pipeline.variables.length === 0) this.out += printTop(value);
        return;
      }
      case "break":
      case "continue":
        throw new LoopSignal(node.kind);
      case "template":
        this.template(node, dot);
        return;
      case "range":
        this.scoped(() => this.range(node, dot));
        return;
      case "if":
      case "with":
        this.scoped(() => {
          const value = this.pipeline(node.pipeline, dot);
          if (isTrue(value)) this.walk(node.body, node.kind === "with" ? value : dot);
          else this.walk(node.otherwise, dot);
        });
        return;
    }
  }

  /** Another template, which sees nothing but its own dot. */
  private template(node: Extract<Node, { kind: "template" }>, dot: Value): void {
    const nodes = this.parsed.definitions.get(node.name);
    if (nodes === undefined) throw this.error(node, `template ${quote(node.name)} not defined`);
    const value = node.pipeline === undefined ? undefined : this.pipeline(node.pipeline, dot);
    if (this.depth >= MOST_DEPTH) throw this.error(node, `exceeded maximum template depth (${MOST_DEPTH})`);
    const { variables } = this;
    this.variables = [{ name: "$", value }];
    this.depth++;
    this.walk(nodes, value);
    this.depth--;
    this.variables = variables;
  }

  /** Variables that `run` declares end with it. */
  private scoped<T>(run: () => T): T {
    const mark = this.variables.length;
    try {
      return run();
    } finally {
      this.variables.length = mark;
    }
  }

  private range(node: Control, dot: Value): void {
    const { pipeline } = node;
    const value = this.evaluate(pipeline, dot);
    const entries = this.entriesOf(value, pipeline);
    if (entries.length === 0) this.walk(node.otherwise, dot);
    for (const [key, each] of entries) {
      const values = pipeline.variables.length === 2 ? [key, each] : [each];
      try {
        this.scoped(() => {
          this.bind(pipeline, values);
          this.walk(node.body, each);
        });
      } catch (signal) {
        if (!(signal instanceof LoopSignal)) throw signal;
        if (signal.kind === "break") break;
      }
    }
  }

  private entriesOf(value: Value, at: Pipeline): [Value, Value][] {
    if (value === undefined || value === null) return [];
    if (isList(value)) return [...value.entries()];
    if (isMap(value)) return sortedEntries(value);
    if (typeof value === "number" && Number.isInteger(value)) {
      if (at.variables.length > 1)
        throw this.error(
          at.commands[0]?.words[0] ?? at,
          `can't use ${value} to iterate over more than one variable`,
        );
      return Array.from({ length: Math.max(0, value) }, (_, each) => [each, each]);
    }
    throw this.error(at, `range can't iterate over ${printTop(value)}`);
  }

  private bind({ variables, assigns }: Pipeline, values: readonly Value[]): void {
    for (const [at, name] of variables.entries()) {
      if (assigns) this.variable(name).value = values[at];
      else this.variables.push({ name, value: values[at] });
    }
  }

  private variable(name: string): { value: Value } {
    const found = this.variables.findLast((each) => each.name === name);
    if (found === undefined) throw new Error(`variable ${name} passed the parser`);
    return found;
  }

  private pipeline(pipeline: Pipeline, dot: Value): Value {
    const value = this.evaluate(pipeline, dot);
    this.bind(pipeline, [value]);
    return value;
  }

  private evaluate(pipeline: Pipeline, dot: Value): Value {
    let value: Value;
    for (const [stage, command] of pipeline.commands.entries()) {
      value = this.command(command, dot, stage === 0 ? [] : [value]);
    }
    return value;
  }

  /** `piped` is the value of the stage before, the last argument of this one. */
  private command(command: Command, dot: Value, piped: Value[]): Value {
    const [first, ...rest] = command.words;
    if (first === undefined) throw this.error(command, "empty command");
    const args = () => [...rest.map((word) => this.argument(word, dot)), ...piped];
    switch (first.kind) {
      case "function":
        if (first.name === "and" || first.name === "or")
          return this.shortCircuit(first, first.name, rest, dot, piped);
        return this.call(first, first.name, args, [command, ...rest]);
      case "field":
        return this.fields(first, first.fields, dot, args);
      case "variable": {
        const { value } = this.variable(first.name);
        if (first.fields.length > 0) return this.fields(first, first.fields, value, args);
        break;
      }
      case "chain":
        return this.fields(first, first.fields, this.argument(first.base, dot), args);
    }
    if (rest.length + piped.length > 0)
      throw this.error(first, `can't give argument to non-function ${first.source}`);
    if (first.kind === "nil") throw this.error(first, "nil is not a command");
    return this.argument(first, dot);
  }

  private shortCircuit(
    at: Located,
    name: "and" | "or",
    words: readonly Expression[],
    dot: Value,
    piped: Value[],
  ): Value {
    if (words.length + piped.length === 0) return this.call(at, name, () => []);
    let value: Value;
    for (const word of words) {
      value = this.argument(word, dot);
      if (isTrue(value) === (name === "or")) return value;
    }
    return piped.length > 0 ? piped[0] : value;
  }

  private argument(word: Expression, dot: Value): Value {
    switch (word.kind) {
      case "dot":
        return dot;
      case "nil":
        return undefined; // printed by itself it is no value
      case "literal":
        return word.value;
      case "pipeline":
        return this.scoped(() => this.pipeline(word.pipeline, dot));
      case "function":
        return this.call(word, word.name, () => []);
      case "field":
        return this.fields(word, word.fields, dot, () => []);
      case "variable":
        return this.fields(word, word.fields, this.variable(word.name).value, () => []);
      case "chain":
        return this.fields(word, word.fields, this.argument(word.base, dot), () => []);
    }
  }

  /** Follow a chain of fields; the last may be a method, which takes the arguments. */
  private fields(at: Expression, names: readonly string[], start: Value, args: () => Value[]): Value {
    let value = start;
    for (const [position, name] of names.entries()) {
      const last = position === names.length - 1;
      const found = this.field(at, name, value);
      if (typeof found === "function") {
        value = this.invoke(at, name, found as (...args: Value[]) => Value, last ? args() : []);
      } else {
        if (last && args().length > 0) {
          throw this.error(at, `${name} has arguments but cannot be invoked as function`);
        }
        value = found;
      }
    }
    return value;
  }

  private field(at: Expression, name: string, value: Value): Value {
    if (value === undefined || value === null)
      throw this.error(at, `nil pointer evaluating interface {}.${name}`);
    if (isMap(value)) return value.get(name);
    if (!isStruct(value)) throw this.error(at, `can't evaluate field ${name} in type ${typeName(value)}`);
    if (Object.hasOwn(value, name)) return value[name];
    // Go names the field ID where its JSON has Id: formats in the wild use both.
    const other = Object.keys(value).find((key) => key.toLowerCase() === name.toLowerCase());
    if (other === undefined) throw this.error(at, `map has no entry for key "${name}"`);
    return value[other];
  }

  /**
   * Call a function of the language.
   *
   * @param words the whole command, and what stands behind the name in it
   */
  private call(at: Located, name: string, args: () => Value[], words: readonly Located[] = [at]): Value {
    const run = this.functions.get(name);
    if (run === undefined) throw this.error(at, `"${name}" is not a defined function`);
    const given = args();
    const wrong = arityError(name, given.length);
    if (wrong !== undefined) throw this.error({ at: at.at, source: name }, wrong);
    try {
      return run(...given);
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw this.failed(words[0] ?? at, name, error);
      const word = words[error.position + 1] as Expression | undefined; // none: it came through the pipeline
      if (word === undefined) throw this.error(words[0] ?? at, error.message);
      throw this.error(word, word.kind === "literal" ? error.ofLiteral(word.source) : error.message);
    }
  }

  /** Call a method. */
  private invoke(at: Located, name: string, run: (...args: Value[]) => Value, args: Value[]): Value {
    try {
      return run(...args);
    } catch (error) {
      throw this.failed(at, name, error);
    }
  }

  private failed(at: Located, name: string, error: unknown): unknown {
    if (error instanceof TemplateError) return error;
    return this.error(at, `error calling ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }

  private error(node: Located, message: string): TemplateError {
    return TemplateError.executing(this.source, node.at, node.source, message);
  }
}
