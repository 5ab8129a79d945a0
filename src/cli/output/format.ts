import { EngineError } from "../../error";
import type { OutStream } from "../io";
import { suggest } from "../suggest";
import { alignTabs, oneLine, printableJson, tableOf } from "./table";
import { type Template, TemplateError } from "./template";

/** A field of a row: what `{{.NAME}}` gives and what stands over its column. */
export type Field<T> = {
  /** Title of the column: "CONTAINER ID". */
  readonly header: string;
  /** The cell. A function is a method of the template: `{{.Label "key"}}`. */
  readonly value: (row: T, more: { noTrunc: boolean }) => unknown;
  /** A template may name it, but `json` is without it. */
  readonly isExtra?: boolean;
  /** Never shortened to fit a terminal: ids and names, which are typed again. */
  readonly isWhole?: boolean;
};

export type RowsOptions<T> = {
  /** All fields of a row, under the names that formats use. */
  fields: Readonly<Record<string, Field<T>>>;
  /** Names of the fields shown without `--format`. */
  columns: readonly string[];
  /** The only field printed with `--quiet`, one a line. */
  quietField: string;
  quiet?: boolean;
  noTrunc?: boolean;
  /** Leave the titles of a table out. */
  noHeading?: boolean;
  /** Where it is printed: a table for people is made as narrow as the terminal. Absent: it is as wide as it is. */
  on?: OutStream;
  /** As the user wrote it: "", "table", "json", "table TEMPLATE" or TEMPLATE. */
  format?: string | undefined;
};

/**
 * Rows as docker prints them: a table with titles by default, `json` an object a line, a Go template a line each, and
 * `table TEMPLATE` the same aligned under titles. Each line ends in a line end.
 *
 * `{{range .}}…{{end}}` goes over all rows, and is printed as it is.
 *
 * @throws usage with Go's words where the template cannot be parsed or executed
 */
export async function formatRows<T>(rows: readonly T[], options: RowsOptions<T>): Promise<string> {
  const { fields, columns, quietField, noTrunc = false, noHeading = false } = options;
  const format = unescapeTabs((options.format ?? "").trim());
  const more = { noTrunc };
  if (options.quiet === true && (format === "" || format === "table")) {
    return lines(rows.map((row) => cell(fields[quietField]?.value(row, more))));
  }
  if (format === "" || format === "table") {
    const titles = columns.map((name) => fields[name]?.header ?? name);
    const shown = columns.flatMap((name) => fields[name] ?? []);
    const body: string[][] = [];
    for (const row of rows) {
      const cells: string[] = []; // by hand: a map within a map takes 500 rows twice the time, when nothing is compiled yet
      for (const field of shown) {
        const value = field.value(row, more);
        cells.push(typeof value === "string" ? value : textOf(value));
      }
      body.push(cells);
    }
    const text = await fitted(titles, shown, body, options);
    return noHeading ? text.slice(text.indexOf("\n") + 1) : text;
  }
  if (rangeOverAll.test(format)) return runOnAll(rows, fields, more, format);
  const isTable = /^table\s/.test(format);
  const source = isTable
    ? format.slice("table".length).trimStart()
    : format === "json"
      ? "{{json .}}"
      : format;
  const template = await parseFormat(source);
  const names = Object.keys(fields).filter((name) => fields[name]?.isExtra !== true); // what is suggested for a name that is wrong
  const clean = isTable ? oneLineOf : (value: unknown) => value;
  const body = rows.map((row) => runFormat(template, rowValue(row, fields, more, clean), names));
  if (!isTable) return lines(body);
  const all = [runHeader(template, fields), ...body];
  const text = alignTabs(lines(noHeading ? alignedBody(all) : all));
  const width = noTrunc ? undefined : widthOf(options.on);
  return width === undefined ? text : (await import("./narrow")).cutLines(text, width);
}

/** podman's way of a format: a template that goes over the rows itself. docker's is executed for each. */
const rangeOverAll = /^\{\{-?\s*range\s+(\$\w+\s*(,\s*\$\w+\s*)?:=\s*)?\.\s*-?\}\}/;

async function runOnAll<T>(
  rows: readonly T[],
  fields: Readonly<Record<string, Field<T>>>,
  more: { noTrunc: boolean },
  format: string,
): Promise<string> {
  const template = await parseFormat(format);
  const values = rows.map((row) => rowValue(row, fields, more, (value) => value));
  return runFormat(template, values, Object.keys(fields));
}

/** Without titles the columns are as wide as with them: what cuts such lists by columns goes on working. */
function alignedBody(all: readonly string[]): string[] {
  return alignTabs(lines(all)).split("\n").slice(1, -1);
}

function widthOf(on: OutStream | undefined): number | undefined {
  return on?.isTTY === true ? on.columns : undefined;
}

/** The table, made narrower where a terminal asks for it. */
async function fitted<T>(
  titles: readonly string[],
  shown: readonly Field<T>[],
  body: readonly string[][],
  { on, noTrunc }: RowsOptions<T>,
): Promise<string> {
  const width = noTrunc === true ? undefined : widthOf(on);
  const text = tableOf(titles, body);
  if (width === undefined) return text;
  const { isWider, narrowTable } = await import("./narrow");
  if (!isWider(text, width)) return text;
  return narrowTable(
    titles,
    body,
    shown.map(({ isWhole }) => isWhole === true),
    width,
  );
}

/**
 * Documents as `inspect` prints them: a JSON array with four spaces of indent, `json` the same without, or a template
 * executed on each, a line each. Of no documents: the template is parsed.
 *
 * @param exitCode of a template that is none
 */
export async function formatDocuments(
  documents: readonly unknown[],
  format?: string | undefined,
  exitCode = 64,
): Promise<string> {
  if (format === undefined || format === "")
    return `${printableJson(JSON.stringify(documents, undefined, 4))}\n`;
  if (format === "json") return `${printableJson(JSON.stringify(documents))}\n`;
  const template = await parseFormat(unescapeTabs(format), exitCode);
  const { goDocument } = await import("./_go-document");
  return lines(
    documents.map((document) => {
      const names = typeof document === "object" && document !== null ? Object.keys(document) : [];
      return runFormat(template, goDocument(document), names);
    }),
  );
}

/** A template that prints things one at a time, a line each, as they come. Fields are those of the values themselves. Throws usage. */
export async function formatter(format: string): Promise<(value: object) => string> {
  const template = await parseFormat(unescapeTabs(format), 64);
  return (value) => lines([runFormat(template, value, Object.keys(value))]);
}

/** A shell leaves `\t` and `\n` in a format as they are: docker reads them as tab and line end. */
function unescapeTabs(format: string): string {
  return format.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
}

/** @param exitCode of a template that is none: docker has 64 for documents, 1 for rows */
async function parseFormat(source: string, exitCode = 1): Promise<Template> {
  const { parse } = await import("./template");
  try {
    return parse(source);
  } catch (error) {
    throw formatError(error, [], exitCode);
  }
}

function runFormat(template: Template, value: unknown, names: readonly string[]): string {
  try {
    return template.execute(value);
  } catch (error) {
    throw formatError(error, names);
  }
}

function runHeader<T>(template: Template, fields: Readonly<Record<string, Field<T>>>): string {
  const titles: Record<string, unknown> = { Label: labelTitle };
  for (const [name, field] of Object.entries(fields)) {
    if (name !== "Label") titles[name] = field.header;
  }
  try {
    return template.executeHeader(titles);
  } catch (error) {
    throw formatError(error, Object.keys(fields));
  }
}

/** The title over `{{.Label "com.example.some-key"}}`: `some key`. */
function labelTitle(key: unknown): string {
  return (String(key).split(".").at(-1) ?? "").replace(/[-_]/g, " ");
}

/** `clean` is what becomes of each value: one that goes into a table is foreign text in a cell. */
function rowValue<T>(
  row: T,
  fields: Readonly<Record<string, Field<T>>>,
  more: { noTrunc: boolean },
  clean: (value: unknown) => unknown,
): object {
  const value = {};
  for (const [name, field] of Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))) {
    // Only what a template asks for is worked out.
    Object.defineProperty(value, name, {
      enumerable: field.isExtra !== true,
      get: () => clean(field.value(row, more)),
    });
  }
  return value;
}

function oneLineOf(value: unknown): unknown {
  if (typeof value === "string") return oneLine(value);
  return typeof value === "function" ? (...given: unknown[]) => oneLineOf(value(...given)) : value;
}

function formatError(error: unknown, names: readonly string[], exitCode = 1): unknown {
  if (!(error instanceof TemplateError)) return error;
  const what = error.phase === "parse" ? "template parsing error" : "failed to execute template";
  const missing = /no entry for key "([^"]*)"/.exec(error.message)?.[1];
  const near = missing === undefined ? undefined : suggest(missing, names)[0];
  return new EngineError("usage", what, "", error.message, {
    exitCode,
    hint: near === undefined ? undefined : `did you mean .${near}?`,
  });
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : value == null ? "" : String(value);
}

function cell(value: unknown): string {
  return oneLine(textOf(value));
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}
