/** A template that cannot be parsed or executed, in the words of Go's text/template. */
export class TemplateError extends Error {
  override name = "TemplateError";

  constructor(
    message: string,
    readonly phase: "parse" | "execute",
  ) {
    super(message);
  }

  /** `template: :LINE: message` */
  static parsing(source: string, at: number, message: string): TemplateError {
    return new TemplateError(`template: :${lineOf(source, at)}: ${message}`, "parse");
  }

  /** `template: :LINE:COLUMN: executing "" at <NODE>: message`; the column counts from 0, as Go's does. */
  static executing(source: string, at: number, node: string, message: string): TemplateError {
    const column = at - (source.lastIndexOf("\n", at - 1) + 1);
    const where = `template: :${lineOf(source, at)}:${column}: executing "" at <${node}>`;
    return new TemplateError(`${where}: ${message}`, "execute");
  }
}

function lineOf(source: string, at: number): number {
  return source.slice(0, at).split("\n").length;
}
