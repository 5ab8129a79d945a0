import { EngineError } from "../../error";
import { loadImages } from "../../image";
import { pullProgressView } from "../output/progress";
import { defineCommand } from "../tree";
import { progressFlag } from "./_progress-flag";
import { untilInterrupted } from "./_signals";

export const command = defineCommand({
  meta: {
    description: "Load images from an archive",
    details: `What \`save\` of docker, podman or proa has written, or skopeo, umoci and buildx: docker's archives, OCI archives, and directories of either kind, told apart by what is in them. They may be packed with gzip, zstd, xz or
bzip2. Every layer is verified; of an archive that is damaged nothing is kept but the images before the damage.`,
    examples: [
      { command: "proa load -i images.tar.gz", does: "load every image in the archive" },
      { command: "docker save web | proa load", does: "take an image over from docker" },
    ],
    exitStatuses: [{ status: "1", meaning: "it could not be loaded" }],
    seeAlso: ["proa-save(1)", "proa-import(1)"],
  },
  args: {
    input: {
      type: "string",
      alias: "i",
      valueHint: "FILE",
      value: "file",
      description: "Read from a file or directory in place of stdin",
    },
    platform: {
      type: "string",
      valueHint: "OS/ARCH",
      value: "platform",
      description: "Which image of those in an index",
    },
    progress: progressFlag,
    quiet: { type: "boolean", alias: "q", description: "Do not show progress" },
    "signature-policy": {
      type: "string",
      valueHint: "FILE",
      value: "file",
      description: "Which images are accepted",
      details: "A policy.json in place of the user's or the system's.",
    },
  },
  async run({ app, args }) {
    const { context, io, env } = app;
    if (args.input === undefined && io.stdin.isTTY) {
      throw new EngineError("usage", "load", "", "cannot read an archive from a terminal", {
        exitCode: 1,
        hint: "use -i FILE or redirect stdin",
      });
    }
    const source = args.input === undefined || args.input === "-" ? io.stdin.fd : args.input;
    const view = args.quiet
      ? undefined
      : pullProgressView(io.stderr, { env, way: "load", mode: args.progress });
    const loaded = await untilInterrupted("load image", (signal) =>
      loadImages(context, source, {
        platform: args.platform,
        policyFile: args["signature-policy"],
        signal,
        onProgress: (progress) => {
          if (progress.kind === "layer") view?.update(progress);
        },
      }),
    ).finally(() => view?.finish());
    for (const { id, names } of loaded) {
      for (const name of names.length > 0 ? names : [id]) io.stdout.write(`Loaded image: ${name}\n`);
    }
  },
});
