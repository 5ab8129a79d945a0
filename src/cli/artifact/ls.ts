import { listArtifacts } from "../../image";
import { familiarRepository, parseReference, repositoryOf } from "../../oci";
import type { ArtifactRow } from "../../state";
import { rowFlags } from "../_flags";
import { type Field, formatRows } from "../output/format";
import { imageSize } from "../output/size";
import { timeAgo } from "../output/time";
import { defineCommand } from "../tree";

const reference = ({ name }: ArtifactRow) => parseReference(name);

const fields = (nowMs: number): Record<string, Field<ArtifactRow>> => ({
  Repository: {
    header: "REPOSITORY",
    isWhole: true,
    value: (row) => familiarRepository(repositoryOf(reference(row))),
  },
  Tag: { header: "TAG", isWhole: true, value: (row) => reference(row).tag ?? "" },
  Digest: {
    header: "DIGEST",
    isWhole: true,
    value: ({ digest }, { noTrunc }) => (noTrunc ? digest.slice(7) : digest.slice(7, 19)),
  },
  Created: { header: "CREATED", value: ({ created_ms }) => timeAgo(created_ms, nowMs) },
  Size: { header: "SIZE", value: ({ size_bytes }) => imageSize(size_bytes) },
  VirtualSize: { header: "VIRTUAL SIZE", value: ({ size_bytes }) => size_bytes },
});

export const command = defineCommand({
  meta: {
    description: "List artifacts",
    examples: [{ command: "proa artifact ls --no-trunc", does: "with their whole digests" }],
    seeAlso: ["proa-artifact-add(1)", "proa-artifact-inspect(1)"],
  },
  args: {
    format: rowFlags.format,
    "no-trunc": rowFlags["no-trunc"],
    noheading: { ...rowFlags.noheading, alias: "n" },
    quiet: { type: "boolean", alias: "q", description: "Only digests" },
  },
  fields: () => Object.keys(fields(0)),
  async run({ app, args }) {
    const text = await formatRows(listArtifacts(app.context), {
      fields: fields(app.context.now()),
      columns: ["Repository", "Tag", "Digest", "Created", "Size"],
      quietField: "Digest",
      quiet: args.quiet,
      noTrunc: args["no-trunc"],
      noHeading: args.noheading,
      on: app.io.stdout,
      format: args.format,
    });
    app.io.stdout.write(text);
  },
});
