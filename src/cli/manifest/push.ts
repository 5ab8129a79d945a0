import { writeFileSync } from "node:fs";
import { EngineError } from "../../error";
import { findList, pushList, removeList } from "../../image";
import { version } from "../_version";
import { untilInterrupted } from "../image/registry";
import { defineCommand } from "../tree";
import { askingArgs, askingFlags } from "./_insecure";

export const command = defineCommand({
  meta: {
    description: "Push a manifest list, and the images it is made of",
    details:
      "What the registry has is not sent; what another repository of it has is mounted from there; what another registry has is fetched on the way. The index comes last. Its digest is printed.",
    usage: "[OPTIONS] LIST [DESTINATION]",
    examples: [
      { command: "proa manifest push example.com/app:1", does: "to where the name says" },
      {
        command: "proa manifest push --purge app:1 example.com/app:1",
        does: "to another place, and forget it here",
      },
    ],
    seeAlso: ["proa-manifest-create(1)", "proa-push(1)"],
  },
  args: {
    all: {
      type: "boolean",
      default: true,
      description: "The images, too; with --all=false they must be in the repository already",
    },
    digestfile: {
      type: "string",
      valueHint: "FILE",
      value: "file",
      description: "Write the digest of the index into it",
    },
    format: {
      type: "string",
      alias: "f",
      valueHint: "TYPE",
      value: { oneOf: ["oci", "v2s2"] },
      description: "Type of the index",
    },
    purge: {
      type: "boolean",
      alias: "p",
      hiddenNames: ["rm"],
      description: "Remove the list when it is pushed",
    },
    quiet: { type: "boolean", alias: "q", description: "Print nothing" },
    "remove-signatures": {
      type: "boolean",
      description: "Push no signatures",
      details: "proa keeps none with an image, so there are none to push.",
    },
    ...askingArgs,
    list: { type: "positional", valueHint: "LIST", value: "manifest", description: "Name or id of the list" },
    destination: {
      type: "positional",
      required: false,
      valueHint: "DESTINATION",
      value: "repository",
      description: "Where it goes, [docker://]HOST/NAME:TAG",
    },
  },
  async run({ app, args, given }) {
    const { context, io } = app;
    const list = findList(context, args.list);
    const to = (args.destination ?? list.row.name).replace(/^docker:\/\//, "");
    const other = /^(dir|oci|oci-archive|docker-archive|docker-daemon|containers-storage):/.exec(to)?.[1];
    if (other !== undefined) {
      const why = "a list is pushed to registries only";
      throw new EngineError("unsupported", "manifest push", `${other}:`, why, {
        hint: "save its images: proa save",
      });
    }
    const flags = await askingFlags(args, given);
    const { digest } = await untilInterrupted("manifest push", (signal) =>
      pushList(context, list, to, {
        format: args.format,
        entries: args.all,
        flags,
        userAgent: `proa/${version}`,
        signal,
      }),
    );
    if (args.digestfile !== undefined) writeFileSync(args.digestfile, digest);
    if (args.purge) await removeList(context, list);
    if (!args.quiet) io.stdout.write(`${digest}\n`);
  },
});
