import { findArtifact } from "../../image";
import { documentFlags } from "../_flags";
import { formatDocuments } from "../output/format";
import { printableJson } from "../output/table";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show the manifest of an artifact",
    examples: [
      {
        command: "proa artifact inspect --format '{{.Digest}}' quay.io/team/model:1",
        does: "the digest of its manifest",
      },
    ],
    seeAlso: ["proa-artifact-ls(1)"],
  },
  args: {
    ...documentFlags,
    artifact: { type: "positional", value: "artifact", description: "Name or digest" },
  },
  fields: async () => (await import("../document-fields")).fieldsOf("artifact"),
  async run({ app, args }) {
    if (args.format !== undefined) await formatDocuments([], args.format);
    const { row, document } = findArtifact(app.context, args.artifact, 1);
    const shown = { Manifest: document, Name: row.name, Digest: row.digest };
    const text =
      args.format === undefined
        ? `${printableJson(JSON.stringify(shown, null, 5))}\n`
        : await formatDocuments([shown], args.format);
    app.io.stdout.write(text);
  },
});
