/**
 * The filter that nearly every container has, worked out when the executable is built (imported as a macro): its text and its digest are constants
 * then, and no start pays for parsing and resolving Docker's profile.
 */
import { grantedCapabilities } from "./capabilities";
import { resolveSeccomp, type SeccompProfile } from "./seccomp";
import profile from "./seccomp-default.json";

export type BuiltinSeccomp = { text: string; digest: string };

/** By architecture, for the default capabilities and any kernel that proa runs on (5.12 and newer). */
export function builtinSeccomp(): Record<string, BuiltinSeccomp> {
  const capabilities = grantedCapabilities([], [], false);
  return Object.fromEntries(
    ["amd64", "arm64"].map((arch) => {
      const text = JSON.stringify(
        resolveSeccomp(profile as SeccompProfile, { capabilities, arch, kernel: "5.12" }),
      );
      return [arch, { text, digest: new Bun.CryptoHasher("sha256").update(text).digest("hex") }];
    }),
  );
}
