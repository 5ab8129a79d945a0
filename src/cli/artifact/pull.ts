import { pullArtifact } from "../../image";
import { hexOf } from "../../oci";
import { version } from "../_version";
import { progressFlag, registryArgs, registryFlagsFrom, untilInterrupted } from "../image/registry";
import { pullProgressView } from "../output/progress";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Pull an artifact from a registry",
    details: "Files that are here already are not fetched again. The digest of its manifest is printed.",
    examples: [{ command: "proa artifact pull quay.io/team/model:1", does: "by name" }],
    seeAlso: ["proa-artifact-extract(1)", "proa-artifact-push(1)"],
  },
  args: {
    progress: progressFlag,
    quiet: { type: "boolean", alias: "q", description: "Print nothing but the digest" },
    "signature-policy": {
      type: "string",
      valueHint: "FILE",
      value: "file",
      description: "Which images are accepted",
      details: "A policy.json in place of the user's or the system's.",
    },
    ...registryArgs,
    artifact: { type: "positional", value: "repository", description: "Name of the artifact" },
  },
  async run({ app, args, given }) {
    const name = args.artifact.replace(/^docker:\/\//, "");
    const { io, env, context } = app;
    const view = pullProgressView(io.stderr, { env, mode: args.quiet ? "quiet" : args.progress });
    const digest = await untilInterrupted("pull artifact", (signal) =>
      pullArtifact(context, name, {
        userAgent: `proa/${version}`,
        flags: { ...registryFlagsFrom(args, given), signaturePolicy: args["signature-policy"] },
        onProgress: (progress) => view.update(progress),
        signal,
      }),
    ).finally(() => view.finish());
    io.stdout.write(`${hexOf(digest)}\n`);
  },
});
