import { listImages, listNamedImages, namesOfImage } from "../../image";
import type { Context } from "../../state";
import { filterFlag, rowFlags } from "../_flags";
import { usageError } from "../args";
import { parseFilters, passesFilters } from "../output/filter";
import { formatRows, type RowsOptions } from "../output/format";
import { defineCommand } from "../tree";
import { FILTERS, matchesName, testsFor } from "./_ls-filters";
import {
  type Brief,
  briefFields,
  briefLines,
  fieldsOf,
  type Line,
  linesOf,
  sorted,
  sortKeys,
} from "./_ls-lines";

export const command = defineCommand({
  meta: {
    description: "List images",
    examples: [
      { command: "proa images", does: "list all images" },
      { command: "proa images 'localhost:5000/*'", does: "those whose name matches" },
      { command: "proa images -q --filter dangling=true", does: "ids of those without a name" },
      { command: "proa images --sort size --format '{{.ID}} {{.Size}}'", does: "the smallest first" },
    ],
    seeAlso: ["proa-pull(1)", "proa-rmi(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "List all images; proa keeps none that are hidden" },
    digests: { type: "boolean", description: "Show the digests" },
    filter: filterFlag(FILTERS, "images"),
    ...rowFlags,
    history: { type: "boolean", description: "Show the names that images have had" },
    noheading: { ...rowFlags.noheading, alias: "n" },
    sort: {
      type: "string",
      valueHint: "KEY",
      value: { oneOf: sortKeys },
      description: "Sort by created, id, repository, size or tag; the newest come first otherwise",
    },
    tree: { type: "boolean", description: "Show each image with the platform that it is for" },
    name: {
      type: "positional",
      required: false,
      valueHint: "REPOSITORY[:TAG]",
      value: "image",
      description: "Only images of this name; * and ? match",
    },
  },
  fields: () => Object.keys(fieldsOf({ nowMs: 0, history: () => [] })),
  async run({ app, args }) {
    const { context, io } = app;
    const filters = parseFilters(args.filter, FILTERS);
    const rows = async <T extends Brief>(lines: T[], more: Pick<RowsOptions<T>, "fields" | "columns">) => {
      const text = await formatRows(args.quiet ? onceEach(lines) : lines, {
        ...more,
        quietField: "ID",
        quiet: args.quiet,
        noTrunc: args["no-trunc"],
        noHeading: args.noheading,
        on: io.stdout,
        format: args.format,
      });
      io.stdout.write(text);
    };
    if (filters.size === 0 && args.format === undefined && !args.digests && !args.history && !args.tree) {
      const lines = await chosen(context, briefLines(listNamedImages(context)), args);
      return rows(lines, { fields: briefFields(context.now()), columns: briefColumns });
    }
    const images = listImages(context);
    const isWanted = (line: Line) =>
      filters.size === 0 || passesFilters(filters, testsFor(context, line, images));
    const lines = await chosen(context, images.flatMap(linesOf), args, isWanted);
    if (args.tree) {
      if (args.quiet || args.format !== undefined || args.digests)
        throw usageError("--tree cannot be used with --quiet, --format or --digests");
      const { treeOf } = await import("./_ls-tree");
      const text = treeOf(context, onceEach(lines), args["no-trunc"]);
      const width = args["no-trunc"] ? undefined : io.stdout.columns;
      io.stdout.write(width === undefined ? text : (await import("../output/narrow")).cutLines(text, width));
      return;
    }
    const [repository, tag, ...others] = briefColumns;
    await rows(lines, {
      fields: fieldsOf({ nowMs: context.now(), history: (id) => namesOfImage(context, id) }),
      columns: [
        repository,
        tag,
        ...(args.digests ? ["Digest"] : []),
        ...others,
        ...(args.history ? ["History"] : []),
      ],
    });
  },
});

const briefColumns = ["Repository", "Tag", "ID", "CreatedSince", "Size"] as const;

/** The lines that are asked for, in the order that is asked for. */
async function chosen<T extends Brief>(
  context: Context,
  lines: T[],
  { name, sort }: { name?: string | undefined; sort?: (typeof sortKeys)[number] | undefined },
  isWanted?: (line: T) => boolean,
): Promise<T[]> {
  const passing = isWanted === undefined ? lines : lines.filter(isWanted);
  let kept = name === undefined ? passing : passing.filter((line) => matchesName(line, name));
  if (kept.length === 0 && name !== undefined && lines.length > 0 && !/[*?[]/.test(name)) {
    const isTagged = name.includes(":");
    const names = (await import("./_short-names")).namesBehind(context, name);
    const behind = names.map((each) => (isTagged ? each : each.replace(/:latest$/, "")));
    kept = passing.filter((line) => behind.some((each) => matchesName(line, each)));
  }
  return sort === undefined ? kept : sorted(kept, sort);
}

function onceEach<T extends Brief>(lines: T[]): T[] {
  return [...new Map(lines.map((line) => [line.id, line])).values()];
}
