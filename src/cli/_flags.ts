/** Flags that several commands have, each written once. */
import type { App } from "./app";
import { formatDocuments } from "./output/format";
import { forEachTarget } from "./report";
import type { Args, StringArg } from "./tree";

/** How rows are printed: `--format`, `--no-trunc`, `--quiet`. */
export const rowFlags = {
  format: {
    type: "string",
    valueHint: "FORMAT",
    value: "row-format",
    description: "json, table, or a Go template",
  },
  "no-trunc": { type: "boolean", description: "Do not shorten" },
  quiet: { type: "boolean", alias: "q", description: "Only ids" },
  noheading: { type: "boolean", description: "No titles over the columns" },
} as const satisfies Args;

/** `--filter KEY=VALUE`, repeatable. */
export function filterFlag(keys: readonly string[], things: string) {
  return {
    type: "string",
    alias: "f",
    multiple: true,
    valueHint: "KEY=VALUE",
    value: { filter: keys },
    description: `Only ${things} that match`,
    details: `Keys: ${keys.join(", ")}.`,
  } as const satisfies StringArg;
}

/** How documents are printed. */
export const documentFlags = {
  format: {
    type: "string",
    alias: "f",
    valueHint: "FORMAT",
    value: "format",
    description: "json, or a Go template",
  },
} as const satisfies Args;

/** Print what is known of each name. Returns the exit status: 1 where something was not found, of which the others are printed. */
export async function printDocuments(
  app: App,
  names: readonly string[],
  format: string | undefined,
  documentOf: (name: string) => Promise<unknown>,
): Promise<number> {
  if (format !== undefined) await formatDocuments([], format); // before anything is looked for, as docker does
  const documents: unknown[] = [];
  const status = await forEachTarget(app.io, names, async (name) => {
    documents.push(await documentOf(name));
  });
  app.io.stdout.write(await formatDocuments(documents, format));
  return status;
}
