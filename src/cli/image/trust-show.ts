import { readFileSync } from "node:fs";
import { EngineError } from "../../error";
import { policyPath, readPolicy, type TrustLine, trustLines } from "../../image";
import { rowFlags } from "../_flags";
import { usageError } from "../args";
import { type Field, formatRows } from "../output/format";
import { printableJson } from "../output/table";
import { defineCommand } from "../tree";

const fields: Record<string, Field<TrustLine>> = {
  Transport: { header: "TRANSPORT", value: ({ transport }) => transport },
  Name: { header: "NAME", isWhole: true, value: ({ repo_name }) => repo_name ?? "" },
  Type: { header: "TYPE", value: ({ type }) => type },
  ID: { header: "ID", value: ({ gpg_id }) => gpg_id ?? "" },
  Store: { header: "STORE", value: ({ sigstore }) => sigstore ?? "" },
};

export const command = defineCommand({
  meta: {
    description: "Show which images are accepted",
    details: "As policy.json says: the user's own, else the system's. Without either everything is accepted.",
    examples: [
      { command: "proa image trust show", does: "as a table" },
      { command: "proa image trust show --raw", does: "the file as it is" },
    ],
    seeAlso: ["proa-image-trust-set(1)", "proa-pull(1)"],
  },
  args: {
    json: { type: "boolean", alias: "j", description: "As JSON" },
    noheading: { ...rowFlags.noheading, alias: "n" },
    policypath: {
      type: "string",
      valueHint: "FILE",
      value: "file",
      hidden: true,
      description: "Another policy.json",
    },
    raw: { type: "boolean", description: "The file as it is" },
    name: {
      type: "positional",
      required: false,
      valueHint: "REGISTRY",
      value: "repository",
      description: "Only what counts for this registry or repository",
    },
  },
  async run({ app, args }) {
    const { context, io } = app;
    if (args.raw && args.json) throw usageError("--raw and --json cannot be used together");
    const path = policyPath(context.env, args.policypath);
    const policy = readPolicy(context.env, args.policypath);
    if (args.raw) {
      if (path === undefined) {
        throw new EngineError(
          "not-found",
          "show trust",
          "policy.json",
          "there is none: everything is accepted",
          {
            exitCode: 125,
          },
        );
      }
      const text = readFileSync(path, "utf8");
      io.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
      return;
    }
    const lines = trustLines(policy, args.name);
    if (args.json) {
      io.stdout.write(`${printableJson(JSON.stringify(lines, null, 4))}\n`);
      return;
    }
    const text = await formatRows(lines, {
      fields,
      columns: ["Transport", "Name", "Type", "ID", "Store"],
      quietField: "Name",
      noHeading: args.noheading,
      on: io.stdout,
    });
    io.stdout.write(text);
  },
});
