import { hasTransport, type RegistryFlags } from "../../image";
import { formatReference, parseReference, withDefaultTag } from "../../oci";
import { version } from "../_version";
import type { App } from "../app";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { progressFlag } from "./_progress-flag";
import { obtainImage } from "./obtain";
import {
  checkTrust,
  platformArgs,
  platformFrom,
  registryArgs,
  registryFlagsFrom,
  trustArgs,
} from "./registry-options";

export const command = defineCommand({
  meta: {
    description: "Pull an image from a registry",
    details:
      "Every layer is fetched, verified and unpacked at the same time. What is here already is not fetched again. A name without a registry means docker.io; docker-archive:FILE, oci-archive:FILE, oci:DIRECTORY and dir:DIRECTORY are read like one.",
    examples: [
      { command: "proa pull debian:bookworm", does: "from docker.io/library" },
      {
        command: "proa pull localhost:5000/team/app@sha256:…",
        does: "by digest, from a registry of one's own",
      },
    ],
    seeAlso: ["proa-images(1)", "proa-run(1)"],
  },
  args: {
    "all-tags": { type: "boolean", alias: "a", description: "Every tag of the repository" },
    lazy: {
      type: "boolean",
      description: "Return before the layers are here",
      details:
        "Of an image with tables of contents (zstd:chunked, eStargz), whose containers can start at once; the layers follow in the background. Others are pulled whole.",
    },
    ...platformArgs,
    policy: {
      type: "string",
      valueHint: "POLICY",
      value: { oneOf: ["always", "missing", "never", "newer"] },
      default: "always",
      description: "When to pull",
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
    ...trustArgs,
    ...registryArgs,
    image: { type: "positional", rest: true, value: "image", description: "Name of the image" },
  },
  async run({ app, args, given }) {
    checkTrust(args);
    const platform = platformFrom(args);
    const signaturePolicy = args["signature-policy"];
    const registry = { ...registryFlagsFrom(args, given), signaturePolicy };
    const names = args["all-tags"] ? await allTagsOf(app, args.image, registry) : args.image;
    return forEachTarget(app.io, names, async (text) => {
      if (hasTransport(text)) {
        const { pullLocal } = await import("./_local");
        const local = await pullLocal(app, text, { ...args, platform, signaturePolicy });
        if (local !== undefined) return local;
      }
      const name = text.replace(/^docker:\/\//, "");
      await obtainImage(app, name, {
        pull: args.policy,
        platform,
        quiet: args.quiet,
        lazy: args.lazy,
        progress: args.progress,
        registry,
      });
      return formatReference(withDefaultTag(parseReference(name)));
    });
  },
});

/** Every tag of each of these repositories. */
async function allTagsOf(app: App, repositories: readonly string[], flags: RegistryFlags): Promise<string[]> {
  const { remoteTags } = await import("../../image");
  const names: string[] = [];
  for (const name of repositories) {
    names.push(...(await remoteTags(app.context, name, { userAgent: `proa/${version}`, flags })));
  }
  return names;
}
