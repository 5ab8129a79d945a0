import { builtinSeccomp } from "./_builtin-seccomp" with { type: "macro" };
import type { SeccompProfile } from "./seccomp";

const builtin: Record<string, ResolvedSeccomp> = builtinSeccomp();

/** A filter as `linux.seccomp` of a runtime config, in JSON, and the sha256 of that text. */
export type ResolvedSeccomp = { text: string; digest: string };

/** Docker's default profile for Docker's default capabilities; undefined for an architecture that it was not worked out for. */
export function defaultSeccomp(arch: string): ResolvedSeccomp | undefined {
  return builtin[arch];
}

/** Docker's default profile as it is, for other capabilities. */
export function defaultSeccompProfile(): SeccompProfile {
  return require("./seccomp-default.json") as SeccompProfile; // evaluated at the first call only
}
