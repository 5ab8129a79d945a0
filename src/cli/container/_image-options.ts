/** Options of `run` and `create` that say which image is meant, and when it is pulled. */
import { EngineError } from "../../error";
import type { RegistryFlags } from "../../image";
import { registryArgs, registryFlagsFrom } from "../image/registry-options";
import type { Args, Values } from "../tree";

export const imageArgs = {
  platform: { type: "string", valueHint: "OS/ARCH", value: "platform", description: "Platform of the image" },
  arch: {
    type: "string",
    valueHint: "ARCH",
    value: "architecture",
    description: "Architecture of the image",
  },
  os: { type: "string", valueHint: "OS", value: "os", description: "Operating system of the image" },
  variant: {
    type: "string",
    valueHint: "VARIANT",
    value: "architecture-variant",
    description: "Variant of the architecture of the image",
  },
  pull: {
    type: "string",
    valueHint: "POLICY",
    value: { oneOf: ["always", "missing", "never", "newer"] },
    default: "missing",
    description: "When to pull the image",
    details: "newer: when the registry has another one by that name than the one that is here.",
  },
  quiet: { type: "boolean", alias: "q", description: "Do not show the progress of a pull" },
  lazy: {
    type: "boolean",
    description: "Start before the layers of an image that is to be pulled are here",
    details:
      "Of an image with tables of contents (zstd:chunked, eStargz) the files that are read are fetched first, the rest follows in the background. Others are pulled whole.",
  },
  rmi: {
    type: "boolean",
    description: "Remove the container and its image at the end, where no other container uses the image",
  },
  "disable-content-trust": {
    type: "boolean",
    default: true,
    description: "Do not verify signatures of docker's content trust; proa never does",
  },
  ...registryArgs,
} as const satisfies Args;

type ImageValues = Values<typeof imageArgs>;

export type ImageOptions = {
  pull: "always" | "missing" | "never" | "newer";
  platform: string | undefined;
  quiet: boolean;
  registry: RegistryFlags;
  lazy: boolean;
};

/** @throws `invalid`, `unsupported` */
export function imageOptionsFrom(args: ImageValues, given: ReadonlySet<string>): ImageOptions {
  if (!args["disable-content-trust"]) {
    throw new EngineError(
      "unsupported",
      "content trust",
      "--disable-content-trust=false",
      "proa does not verify signatures of docker's content trust",
      { hint: "name the image by its digest: IMAGE@sha256:…" },
    );
  }
  return {
    pull: args.pull,
    platform: platformFrom(args),
    quiet: args.quiet,
    lazy: args.lazy,
    registry: registryFlagsFrom(args, given),
  };
}

/** podman's three options in place of docker's one. */
function platformFrom({ platform, arch, os, variant }: ImageValues): string | undefined {
  if (arch === undefined && os === undefined && variant === undefined) return platform;
  if (platform !== undefined) {
    const why = "it says all that --arch, --os and --variant say";
    throw new EngineError("invalid", "platform", platform, why);
  }
  const { hostPlatform } = require("../../oci") as typeof import("../../oci");
  const host = hostPlatform();
  const parts = [os ?? host.os, arch ?? host.architecture];
  if (variant !== undefined) parts.push(variant);
  return parts.join("/");
}
