/** Options of `run` and `create` that say which image is meant, and when it is pulled. */
import type { RegistryFlags } from "../../image";
import {
  checkTrust,
  platformArgs,
  platformFrom,
  registryArgs,
  registryFlagsFrom,
  trustArgs,
} from "../image/registry-options";
import type { Args, Values } from "../tree";

export const imageArgs = {
  ...platformArgs,
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
  ...trustArgs,
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
  checkTrust(args);
  return {
    pull: args.pull,
    platform: platformFrom(args),
    quiet: args.quiet,
    lazy: args.lazy,
    registry: registryFlagsFrom(args, given),
  };
}
