/** What a manifest list says of an entry: the flags of `add` and `annotate`. */
import type { EntryWishes } from "../../image";
import { pairs } from "../_pairs";
import type { Args, Values } from "../tree";

export const entryArgs = {
  annotation: {
    type: "string",
    multiple: true,
    valueHint: "KEY=VALUE",
    value: "none",
    description: "Say it of the entry",
  },
  arch: {
    type: "string",
    valueHint: "ARCH",
    value: "architecture",
    description: "Architecture that it is for",
  },
  features: {
    type: "string",
    multiple: true,
    valueHint: "FEATURE",
    value: "none",
    description: "Features of the processor that it needs",
  },
  os: { type: "string", valueHint: "OS", value: "os", description: "Operating system that it is for" },
  "os-features": {
    type: "string",
    multiple: true,
    valueHint: "FEATURE",
    value: "none",
    description: "Features of the operating system that it needs",
  },
  "os-version": {
    type: "string",
    valueHint: "VERSION",
    value: "none",
    description: "Version of the operating system",
  },
  variant: {
    type: "string",
    valueHint: "VARIANT",
    value: "architecture-variant",
    description: "Variant of the architecture",
  },
} as const satisfies Args;

export function wishesFrom(args: Values<typeof entryArgs>): EntryWishes {
  return {
    os: args.os,
    architecture: args.arch,
    variant: args.variant,
    osVersion: args["os-version"],
    osFeatures: args["os-features"].flatMap((text) => text.split(",")),
    features: args.features.flatMap((text) => text.split(",")),
    annotations: pairs("--annotation", args.annotation),
  };
}
