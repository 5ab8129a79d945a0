import { EngineError } from "../../error";
import { searchImages, tagsInRegistry } from "../../image";
import { filterFlag, rowFlags } from "../_flags";
import { version } from "../_version";
import { isTrue, parseFilters, passesFilters } from "../output/filter";
import { type Field, formatRows } from "../output/format";
import { truncateToWidth } from "../output/table";
import { defineCommand } from "../tree";
import { untilInterrupted } from "./_signals";
import { registryArgs, registryFlagsFrom } from "./registry-options";

const FILTERS = ["is-automated", "is-official", "stars"];
const DESCRIPTION_WIDTH = 45; // as docker shows it
const LIMIT = 25; // docker's
const MOST = 100;
const MOST_TAGS = 10_000;

type Hit = Awaited<ReturnType<typeof searchImages>>[number];

const fields = (isJson: boolean): Record<string, Field<Hit>> => {
  const mark = (value: boolean): string => (isJson ? String(value) : value ? "[OK]" : "");
  const extra = (header: string, value: (hit: Hit) => unknown): Field<Hit> => ({
    header,
    value,
    isExtra: true,
  });
  return {
    Name: { header: "NAME", isWhole: true, value: ({ name }) => name },
    Description: {
      header: "DESCRIPTION",
      value: ({ description }, { noTrunc }) => {
        const line = description.replace(/[\r\n]+/g, " ");
        return noTrunc ? line : truncateToWidth(line, DESCRIPTION_WIDTH);
      },
    },
    StarCount: { header: "STARS", value: ({ stars }) => String(stars) },
    IsOfficial: { header: "OFFICIAL", value: ({ isOfficial }) => mark(isOfficial) },
    IsAutomated: { header: "AUTOMATED", value: ({ isAutomated }) => mark(isAutomated) },
    // podman's names
    Index: extra("INDEX", ({ index }) => index),
    Stars: extra("STARS", ({ stars }) => stars),
    Official: extra("OFFICIAL", ({ isOfficial }) => mark(isOfficial)),
    Automated: extra("AUTOMATED", ({ isAutomated }) => mark(isAutomated)),
  };
};

export const command = defineCommand({
  meta: {
    description: "Look for images in registries",
    details:
      "In Docker Hub, in those that registries.conf names to be searched, or in the one that the term begins with. A registry without a search of its own is asked for the list of its repositories.",
    examples: [
      { command: "proa search --filter stars=100 nginx", does: "the popular ones" },
      { command: "proa search localhost:5000/", does: "all that a registry has" },
      { command: "proa search --list-tags debian", does: "the tags of one repository" },
    ],
    seeAlso: ["proa-pull(1)"],
  },
  args: {
    compatible: { type: "boolean", description: "Show stars and the official mark; they are shown anyway" },
    filter: filterFlag(FILTERS, "images"),
    format: rowFlags.format,
    limit: {
      type: "int",
      valueHint: "COUNT",
      description: `At most so many of a registry; ${LIMIT} otherwise`,
    },
    "list-tags": { type: "boolean", description: "List the tags of the repository that is named" },
    "no-trunc": rowFlags["no-trunc"],
    ...registryArgs,
    term: {
      type: "positional",
      valueHint: "TERM",
      value: "repository",
      description: "What to look for, [HOST/]TERM",
    },
  },
  fields: () => Object.keys(fields(false)),
  async run({ app, args, given }) {
    const { context, io } = app;
    const filters = parseFilters(args.filter, FILTERS);
    const flags = await registryFlagsFrom(args, given);
    const ask = { flags, userAgent: `proa/${version}` };
    if (args["list-tags"]) {
      const limit = args.limit === undefined || args.limit < 1 ? MOST_TAGS : args.limit;
      const { name, tags } = await untilInterrupted("search", (signal) =>
        tagsInRegistry(context, args.term, { ...ask, limit, signal }),
      );
      io.stdout.write(await tagsText(name, tags, args.format));
      return;
    }
    const limit = args.limit ?? LIMIT;
    if (limit < 1 || limit > MOST) {
      const why = `limit ${limit} is outside the range of [1, ${MOST}]`;
      throw new EngineError("invalid", "search", "--limit", why, { exitCode: 1 });
    }
    const stars = (filters.get("stars") ?? []).map(starsOf);
    const hits = await untilInterrupted("search", (signal) =>
      searchImages(context, args.term, { ...ask, limit, signal }),
    );
    const kept = hits.filter((hit) =>
      passesFilters(filters, {
        stars: () => stars.every((least) => hit.stars >= least),
        "is-official": (value) => hit.isOfficial === isTrue("is-official", value),
        "is-automated": (value) => hit.isAutomated === isTrue("is-automated", value),
      }),
    );
    const text = await formatRows(kept, {
      fields: fields(args.format === "json" || args.format === "{{json .}}"),
      columns: ["Name", "Description", "StarCount", "IsOfficial"],
      quietField: "Name",
      noTrunc: args["no-trunc"],
      on: io.stdout,
      format: args.format,
    });
    io.stdout.write(text);
  },
});

function starsOf(value: string): number {
  if (/^\d+$/.test(value)) return Number(value);
  throw new EngineError("invalid", "filter", `stars=${value}`, "expected a number", { exitCode: 1 });
}

async function tagsText(name: string, tags: readonly string[], format: string | undefined): Promise<string> {
  if (format === "json") return `${JSON.stringify([{ Name: name, Tags: tags }], null, 4)}\n`;
  return formatRows(
    tags.map((tag) => ({ name, tag })),
    {
      fields: {
        Name: { header: "NAME", value: (row) => row.name },
        Tag: { header: "TAG", value: (row) => row.tag },
      },
      columns: ["Name", "Tag"],
      quietField: "Tag",
      format,
    },
  );
}
