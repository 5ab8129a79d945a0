import { EngineError } from "../../error";
import { type ImageSummary, listImages } from "../../image";
import { filterFlag, rowFlags } from "../_flags";
import { hasLabel, isTrue, parseFilters, passesFilters } from "../output/filter";
import { type Field, formatRows } from "../output/format";
import { imageSize } from "../output/size";
import { localTime, timeAgo } from "../output/time";
import { defineCommand } from "../tree";

/** A line of the list: an image has one a name. */
type Line = ImageSummary & { repository: string; tag: string; digest: string };

const NONE = "<none>";

const fields = (nowMs: number): Record<string, Field<Line>> => ({
  Repository: { header: "REPOSITORY", value: ({ repository }) => repository },
  Tag: { header: "TAG", value: ({ tag }) => tag },
  Digest: { header: "DIGEST", value: ({ digest }) => digest },
  ID: {
    header: "IMAGE ID",
    value: ({ id }, { noTrunc }) => (noTrunc ? id : id.slice("sha256:".length).slice(0, 12)),
  },
  CreatedSince: {
    header: "CREATED",
    value: ({ createdMs }) => (createdMs === 0 ? "N/A" : timeAgo(createdMs, nowMs)),
  },
  CreatedAt: {
    header: "CREATED AT",
    value: ({ createdMs }) => (createdMs === 0 ? "N/A" : localTime(createdMs)),
  },
  Size: { header: "SIZE", value: ({ sizeBytes }) => imageSize(sizeBytes) },
  // docker's list knows none of the next two either
  SharedSize: { header: "SHARED SIZE", value: () => "N/A" },
  UniqueSize: { header: "UNIQUE SIZE", value: () => "N/A" },
  VirtualSize: { header: "SIZE", value: ({ sizeBytes }) => imageSize(sizeBytes) },
  Containers: { header: "CONTAINERS", value: ({ containers }) => String(containers) },
  Platform: { header: "PLATFORM", value: ({ platform }) => platform },
});

const FILTERS = ["before", "dangling", "label", "reference", "since"];

export const command = defineCommand({
  meta: {
    description: "List images",
    examples: [
      { command: "proa images", does: "list all images" },
      { command: "proa images 'localhost:5000/*'", does: "those whose name matches" },
      { command: "proa images -q --filter dangling=true", does: "ids of those without a name" },
    ],
    seeAlso: ["proa-pull(1)", "proa-rmi(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "List all images; proa keeps none that are hidden" },
    digests: { type: "boolean", description: "Show the digests" },
    filter: filterFlag(FILTERS, "images"),
    ...rowFlags,
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
      passesFilters(filters, testsFor(line, images));
    const kept = filters.size > 0 || args.name !== undefined ? lines.filter(wanted) : lines;
    const text = await formatRows(args.quiet ? onceEach(kept) : kept, {
      fields: fields(context.now()),
      columns: ["Repository", "Tag", ...(args.digests ? ["Digest"] : []), "ID", "CreatedSince", "Size"],
      quietField: "ID",
      quiet: args.quiet,
      noTrunc: args["no-trunc"],
      format: args.format,
    });
    io.stdout.write(text);
  },
});

/** A line a tag, and one for each repository that it was pulled from by digest alone; an image without a name has a line of its own. */
function linesOf(image: ImageSummary): Line[] {
  const digests = image.repositoryDigests.map((name) => {
    const [repository = NONE, digest = NONE] = name.split("@");
    return { repository, digest };
  });
  const tags = image.tags.map((name) => {
    const cut = name.lastIndexOf(":"); // a port stands before a slash, and every name here has its tag
    return { repository: name.slice(0, cut), tag: name.slice(cut + 1) };
  });
  const named = tags.map((tag) => ({
    ...tag,
    digest: digests.find(({ repository }) => repository === tag.repository)?.digest ?? NONE,
  }));
  const bare = digests
    .filter(({ repository }) => !tags.some((tag) => tag.repository === repository))
    .map((each) => ({ ...each, tag: NONE }));
  const names = [...named, ...bare];
  return (names.length > 0 ? names : [{ repository: NONE, tag: NONE, digest: NONE }]).map((name) => ({
    ...image,
    ...name,
  }));
}

function onceEach(lines: Line[]): Line[] {
  return [...new Map(lines.map((line) => [line.id, line])).values()];
}

/** A name, a name with its tag, or a pattern in which * does not match a slash. */
function matchesName({ repository, tag }: Line, pattern: string): boolean {
  const glob = new Bun.Glob(pattern);
  return repository === pattern || glob.match(repository) || glob.match(`${repository}:${tag}`);
}

function testsFor(line: Line, images: ImageSummary[]): Record<string, (value: string) => boolean> {
  const createdOf = (name: string): number => {
    const found = images.find(
      ({ id, tags }) => tags.includes(name) || tags.includes(`${name}:latest`) || isIdOf(id, name),
    );
    if (found) return found.createdMs;
    throw new EngineError("not-found", "filter", name, "no such image", { exitCode: 1 });
  };
  return {
    before: (value) => line.createdMs < createdOf(value),
    since: (value) => line.createdMs > createdOf(value),
    dangling: (value) => (line.tags.length === 0) === isTrue("dangling", value),
    label: (value) => hasLabel(line.labels, value),
    reference: (value) => matchesName(line, value),
  };
}

function isIdOf(id: string, text: string): boolean {
  return (
    /^(sha256:)?[0-9a-f]{6,}$/.test(text) &&
    id.slice("sha256:".length).startsWith(text.replace("sha256:", ""))
  );
}
