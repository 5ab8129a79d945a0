import { writeFileSync } from "node:fs";
import { constants } from "node:os";
import { EngineError } from "../../error";
import { type Pushed, type PushOptions, parseTransport, pushImage, tagsOfRepository } from "../../image";
import { familiarReference, formatReference, repositoryOf } from "../../oci";
import { version } from "../_version";
import type { App } from "../app";
import { pullProgressView } from "../output/progress";
import type { ProgressMode } from "../output/progress-modes";
import { defineCommand } from "../tree";
import { progressFlag } from "./_progress-flag";
import { signArgs, signingKeyFrom } from "./_sign-options";
import { checkTrust, registryArgs, registryFlagsFrom, trustArgs } from "./registry-options";

export const command = defineCommand({
  meta: {
    description: "Push an image to a registry",
    details:
      "Layers go as they are, so that what was pulled keeps its digests; those that the registry has are not sent. Without a destination the image goes where its name leads.",
    usage: "[OPTIONS] IMAGE [DESTINATION]",
    examples: [
      { command: "proa push registry.example.com/team/app:1.2", does: "to where the name says" },
      { command: "proa push app localhost:5000/app:test", does: "to another place" },
      { command: "proa push --all-tags registry.example.com/team/app", does: "every tag of a repository" },
    ],
    seeAlso: ["proa-pull(1)", "proa-login(1)", "proa-tag(1)"],
  },
  args: {
    "all-tags": { type: "boolean", alias: "a", description: "Every tag of the repository" },
    "compression-format": {
      type: "string",
      valueHint: "FORMAT",
      value: { oneOf: ["gzip", "zstd", "zstd:chunked"] },
      description: "Compress layers so that are compressed otherwise",
      details:
        "zstd:chunked is zstd with a table of contents, from which run --lazy starts a container while the layers are still coming.",
    },
    "compression-level": {
      type: "int",
      valueHint: "LEVEL",
      description: "How hard: 1 to 9 for gzip, 1 to 22 for zstd",
    },
    digestfile: {
      type: "string",
      valueHint: "FILE",
      value: "file",
      description: "Write the digest of the pushed image into it",
    },
    "force-compression": {
      type: "boolean",
      description: "Compress layers anew that have the format already",
    },
    format: {
      type: "string",
      alias: "f",
      valueHint: "TYPE",
      value: { oneOf: ["oci", "v2s2", "docker"] },
      description: "Type of the manifest",
    },
    progress: progressFlag,
    quiet: { type: "boolean", alias: "q", description: "Print the name alone, and no progress" },
    "remove-signatures": {
      type: "boolean",
      description: "Push no signatures",
      details: "proa keeps none with an image, so there are none to push.",
    },
    ...signArgs,
    ...trustArgs,
    ...registryArgs,
    image: { type: "positional", value: "image", valueHint: "IMAGE", description: "Name or id" },
    destination: {
      type: "positional",
      required: false,
      valueHint: "DESTINATION",
      value: "repository",
      description: "Where it goes, HOST/NAME:TAG",
    },
  },
  async run({ app, args, given }) {
    const { destination } = args;
    checkTrust(args);
    if (args["compression-level"] !== undefined && args["compression-format"] === undefined) {
      const why = "it needs --compression-format";
      throw new EngineError("invalid", "--compression-level", "", why, { exitCode: 1 });
    }
    if (args["all-tags"] && destination !== undefined) {
      throw new EngineError("invalid", "--all-tags", "", "it takes no destination", { exitCode: 1 });
    }
    const image = withoutTransport(args.image);
    const local = destination === undefined ? undefined : parseTransport(destination);
    if (local !== undefined && local.kind !== "docker") {
      const { pushLocal } = await import("./_local");
      return pushLocal(app, image, local);
    }
    const target = destination === undefined ? undefined : withoutTransport(destination);
    const names = args["all-tags"] ? tagsOfRepository(app.context, image) : [image];
    const format = args.format === undefined ? undefined : args.format === "oci" ? "oci" : "docker";
    const options: PushOptions = {
      userAgent: `proa/${version}`,
      flags: registryFlagsFrom(args, given),
      compression: args["compression-format"],
      level: args["compression-level"],
      isForced: args["force-compression"],
      format,
    };
    const key = await signingKeyFrom(args); // before anything is sent
    for (const name of names) {
      const { digest, reference } = await pushOne(
        app,
        name,
        target,
        options,
        args.quiet ? "name" : args.progress,
      );
      if (key !== undefined) {
        const { signImage } = await import("../../image");
        await signImage(app.context, reference, digest, key, options);
      }
      if (args.digestfile !== undefined) writeFileSync(args.digestfile, digest);
    }
  },
});

function withoutTransport(name: string): string {
  return name.startsWith("docker://") ? name.slice("docker://".length) : name;
}

/** Progress goes to stderr, what has become of it to stdout, in docker's words. */
async function pushOne(
  app: App,
  name: string,
  target: string | undefined,
  options: PushOptions,
  shown: ProgressMode | "name",
): Promise<Pushed> {
  const { context, io, env } = app;
  const ended = new AbortController();
  const end = (signal: NodeJS.Signals): void => {
    const exitCode = 128 + constants.signals[signal];
    ended.abort(new EngineError("interrupted", "push image", name, `interrupted by ${signal}`, { exitCode }));
  };
  const isQuiet = shown === "name";
  const view = isQuiet ? undefined : pullProgressView(io.stderr, { env, way: "push", mode: shown });
  process.once("SIGINT", end).once("SIGTERM", end); // once: who asks twice does not want to wait
  try {
    const pushed = await pushImage(context, name, target, {
      ...options,
      signal: ended.signal,
      onBegin: (begun) => view?.message(`The push refers to repository [${repositoryOf(begun)}]`),
      onProgress: (progress) => view?.update(progress),
    });
    view?.finish();
    const { reference, digest, sizeBytes } = pushed;
    const called = reference.tag ?? familiarReference(reference);
    io.stdout.write(
      isQuiet ? `${formatReference(reference)}\n` : `${called}: digest: ${digest} size: ${sizeBytes}\n`,
    );
    return pushed;
  } catch (error) {
    view?.finish();
    throw error;
  } finally {
    process.off("SIGINT", end).off("SIGTERM", end);
  }
}
