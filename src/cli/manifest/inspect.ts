import { fetchDocument, indexDocument, lookUpList, verboseDocument } from "../../image";
import { version } from "../_version";
import { untilInterrupted } from "../image/registry";
import { printableJson } from "../output/table";
import { defineCommand } from "../tree";
import { askingArgs, askingFlags } from "./_insecure";

export const command = defineCommand({
  meta: {
    description: "Show a manifest list, or what a registry has",
    details: "A list that is kept here is shown as it would be pushed. Anything else is fetched.",
    examples: [
      { command: "proa manifest inspect debian:bookworm", does: "the platforms that it is there for" },
      { command: "proa manifest inspect --verbose debian:bookworm", does: "and the manifest of each" },
    ],
    seeAlso: ["proa-manifest-create(1)", "proa-inspect(1)"],
  },
  args: {
    verbose: { type: "boolean", alias: "v", description: "With the manifests that an index leads to" },
    ...askingArgs,
    name: {
      type: "positional",
      valueHint: "NAME",
      value: "repository",
      description: "Name or id of a list, or an image",
    },
  },
  async run({ app, args, given }) {
    const { context, io } = app;
    const list = args.name.startsWith("docker://") ? null : lookUpList(context, args.name);
    const document =
      list !== null && !args.verbose
        ? indexDocument(list)
        : await untilInterrupted("manifest inspect", async (signal) => {
            const asking = { flags: await askingFlags(args, given), userAgent: `proa/${version}`, signal };
            if (args.verbose) return verboseDocument(context, args.name, list, asking);
            const { bytes } = await fetchDocument(context, args.name, asking);
            return JSON.parse(new TextDecoder().decode(bytes)) as object;
          });
    io.stdout.write(`${printableJson(JSON.stringify(document, null, 4))}\n`);
  },
});
