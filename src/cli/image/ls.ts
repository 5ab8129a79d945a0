import { listImages, namesOfImage } from "../../image";
import { filterFlag, rowFlags } from "../_flags";
import { usageError } from "../args";
import { parseFilters, passesFilters } from "../output/filter";
import { formatRows } from "../output/format";
import { defineCommand } from "../tree";
import { FILTERS, matchesName, testsFor } from "./_ls-filters";
import { fieldsOf, type Line, linesOf, sorted, sortKeys } from "./_ls-lines";

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
    noheading: { type: "boolean", alias: "n", description: "No titles over the columns" },
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
  async run({ app, args }) {
    const { context, io } = app;
    const filters = parseFilters(args.filter, FILTERS);
    const images = listImages(context);
    const lines = images.flatMap(linesOf);
    const wanted = (line: Line) =>
      (args.name === undefined || matchesName(line, args.name)) &&
      passesFilters(filters, testsFor(context, line, images));
    const kept = filters.size > 0 || args.name !== undefined ? lines.filter(wanted) : lines;
    const rows = args.sort === undefined ? kept : sorted(kept, args.sort);
    if (args.tree) {
      if (args.quiet || args.format !== undefined || args.digests)
        throw usageError("--tree cannot be used with --quiet, --format or --digests");
      const { treeOf } = await import("./_ls-tree");
      io.stdout.write(treeOf(context, onceEach(rows), args["no-trunc"]));
      return;
    }
    const text = await formatRows(args.quiet ? onceEach(rows) : rows, {
      fields: fieldsOf({ nowMs: context.now(), history: (id) => namesOfImage(context, id) }),
      columns: [
        "Repository",
        "Tag",
        ...(args.digests ? ["Digest"] : []),
        "ID",
        "CreatedSince",
        "Size",
        ...(args.history ? ["History"] : []),
      ],
      quietField: "ID",
      quiet: args.quiet,
      noTrunc: args["no-trunc"],
      format: args.format,
    });
    const hasTitles = !args.quiet && /^\s*(table\b.*)?$/s.test(args.format ?? "");
    io.stdout.write(args.noheading && hasTitles ? text.slice(text.indexOf("\n") + 1) : text);
  },
});

function onceEach(lines: Line[]): Line[] {
  return [...new Map(lines.map((line) => [line.id, line])).values()];
}
