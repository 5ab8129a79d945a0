/** `--security-opt`, and the seccomp filter that follows from it. */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { EngineError } from "../error";
import {
  type ContainerSpec,
  defaultSeccomp,
  defaultSeccompProfile,
  grantedCapabilities,
  type HostConfig,
  hostPlatform,
  parseSeccompProfile,
  type ResolvedSeccomp,
  resolveSeccomp,
  type SeccompProfile,
} from "../oci";
import { type Context, makePrivateDirectory } from "../state";

export type Seccomp = {
  /** null: no filter. */
  seccomp: ResolvedSeccomp | null;
  /** Where the compiled filter is, or will be, kept. */
  cache: string | null;
};

/** The filter of a container: Docker's default profile for its capabilities, the user's own, or none. */
export function seccompFor(context: Context, spec: ContainerSpec): Seccomp {
  const host = spec.HostConfig;
  const asked = host.SecurityOpt.findLast((option) => /^seccomp[=:]/.test(option))?.slice("seccomp=".length);
  if (asked === "unconfined" || (host.Privileged && asked === undefined)) {
    return { seccomp: null, cache: null };
  }
  const seccomp = resolved(asked === "builtin" ? undefined : asked, host);
  try {
    makePrivateDirectory(context.paths.seccomp, context.uid, "XDG_CACHE_HOME");
  } catch {
    return { seccomp, cache: null }; // compiled anew each time, and nothing else
  }
  return { seccomp, cache: join(context.paths.seccomp, `${seccomp.digest}.bpf`) };
}

function resolved(file: string | undefined, host: HostConfig): ResolvedSeccomp {
  const arch = hostPlatform().architecture;
  const isUsual =
    file === undefined && host.CapAdd.length === 0 && host.CapDrop.length === 0 && !host.Privileged;
  const known = isUsual ? defaultSeccomp(arch) : undefined;
  if (known) return known;
  const filter = resolveSeccomp(file === undefined ? defaultSeccompProfile() : profileFrom(file), {
    capabilities: grantedCapabilities(host.CapAdd, host.CapDrop, host.Privileged),
    arch,
    kernel: release(),
  });
  const text = JSON.stringify(filter);
  return { text, digest: new Bun.CryptoHasher("sha256").update(text).digest("hex") };
}

/** A file's path, or, from Docker's API, the profile itself. */
function profileFrom(value: string): SeccompProfile {
  if (value.startsWith("{")) return parseSeccompProfile(value, "profile");
  let text: string;
  try {
    text = readFileSync(value, "utf8");
  } catch (error) {
    throw new EngineError("io", "seccomp profile", value, error);
  }
  return parseSeccompProfile(text, value);
}

/**
 * Options as they are stored: a profile's file becomes its content, so that the container stays what it was created as. Refuses what is unknown
 * or cannot be done, before anything is made.
 */
export function storedSecurityOptions(options: string[]): string[] {
  return options.map((option) => {
    const file = /^seccomp[=:](.+)$/s.exec(option)?.[1];
    if (file !== undefined && file !== "unconfined" && file !== "builtin") {
      return `seccomp=${JSON.stringify(profileFrom(file))}`;
    }
    if (file !== undefined || /^no-new-privileges([:=](true|false))?$/.test(option)) return option;
    const label = /^(label|apparmor)[=:]/.exec(option);
    throw new EngineError(
      label ? "unsupported" : "invalid",
      "security option",
      option,
      label ? "an unprivileged user cannot choose security labels" : "unknown option",
      { hint: "known: seccomp=FILE|unconfined|builtin, no-new-privileges" },
    );
  });
}
