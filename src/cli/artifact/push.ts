import { writeFileSync } from "node:fs";
import { findArtifact, pushArtifact, signImage } from "../../image";
import { parseReference } from "../../oci";
import { version } from "../_version";
import {
  progressFlag,
  registryArgs,
  registryFlagsFrom,
  signArgs,
  signingKeyFrom,
  untilInterrupted,
} from "../image/registry";
import { pullProgressView } from "../output/progress";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Push an artifact to a registry",
    details: "It goes to where its name leads. Files that the registry has are not sent.",
    examples: [{ command: "proa artifact push quay.io/team/model:1", does: "push one" }],
    seeAlso: ["proa-artifact-add(1)", "proa-artifact-pull(1)"],
  },
  args: {
    digestfile: {
      type: "string",
      valueHint: "FILE",
      value: "file",
      description: "Write the digest of the pushed artifact into it",
    },
    progress: progressFlag,
    quiet: { type: "boolean", alias: "q", description: "Print nothing" },
    ...signArgs,
    ...registryArgs,
    artifact: { type: "positional", value: "artifact", description: "Name or digest" },
  },
  async run({ app, args, given }) {
    const key = await signingKeyFrom(args);
    const { io, env } = app;
    const mode = args.quiet ? "quiet" : args.progress;
    const view = pullProgressView(io.stderr, { env, way: "push", mode });
    const digest = await untilInterrupted("push artifact", async (signal) => {
      const options = { userAgent: `proa/${version}`, flags: registryFlagsFrom(args, given), signal };
      const onProgress = view.update.bind(view);
      const pushed = await pushArtifact(app.context, args.artifact, { ...options, onProgress }).finally(() =>
        view.finish(),
      );
      const { row } = findArtifact(app.context, args.artifact);
      if (key !== undefined) await signImage(app.context, parseReference(row.name), pushed, key, options);
      return pushed;
    });
    if (args.digestfile !== undefined) writeFileSync(args.digestfile, digest);
    if (!args.quiet) app.io.stdout.write(`${digest}\n`);
  },
});
