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
    const images = listImages(context);
    const lines = images.flatMap(linesOf);
    const wanted = (line: Line) =>
      (args.name === undefined || matchesName(line, args.name)) &&
      passesFilters(filters, testsFor(context, line, images));
    let kept = filters.size > 0 || args.name !== undefined ? lines.filter(wanted) : lines;
    if (kept.length === 0 && args.name !== undefined && lines.length > 0 && !/[*?[]/.test(args.name)) {
      const isTagged = args.name.includes(":");
      const names = (await import("./_short-names")).namesBehind(context, args.name);
      const behind = names.map((name) => (isTagged ? name : name.replace(/:latest$/, "")));
      const isBehind = (line: Line) => behind.some((name) => matchesName(line, name));
      kept = lines.filter(
        (line) => isBehind(line) && passesFilters(filters, testsFor(context, line, images)),
      );
    }
    const rows = args.sort === undefined ? kept : sorted(kept, args.sort);
    if (args.tree) {
      if (args.quiet || args.format !== undefined || args.digests)
        throw usageError("--tree cannot be used with --quiet, --format or --digests");
      const { treeOf } = await import("./_ls-tree");
      const text = treeOf(context, onceEach(rows), args["no-trunc"]);
      const width = args["no-trunc"] ? undefined : io.stdout.columns;
      io.stdout.write(width === undefined ? text : (await import("../output/narrow")).cutLines(text, width));
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
      noHeading: args.noheading,
      on: io.stdout,
      format: args.format,
    });
    io.stdout.write(text);
  },
});

function onceEach(lines: Line[]): Line[] {
  return [...new Map(lines.map((line) => [line.id, line])).values()];
}
