import { execute } from "./execute";
import { type Functions, headerFunctions, standardFunctions } from "./functions";
import { parseTemplate } from "./parse";

export { TemplateError } from "./error";
export { nilList, nilMap, toJson, type Value } from "./value";

/** A parsed template. */
export type Template = {
  /** Execute over a value. Throws `TemplateError`. */
  execute(data: unknown): string;
  /** Execute over column titles, for the header line of a table. */
  executeHeader(titles: unknown): string;
};

/**
 * Parse a template of Go's text/template language with docker's functions: fields, methods, pipelines, variables, literals,
 * `if` `else` `with` `range` `break` `continue` `define` `template` `block`, comments and trim markers.
 *
 * @throws TemplateError in Go's words
 */
export function parse(source: string): Template {
  const parsed = parseTemplate(source, new Set(standardFunctions.keys()));
  const run = (data: unknown, functions: Functions) => execute(parsed, source, data, functions);
  return {
    execute: (data) => run(data, standardFunctions),
    executeHeader: (titles) => run(titles, headerFunctions),
  };
}
