/** `--security-opt`, and the seccomp filter that follows from it. */
import { existsSync } from "node:fs";
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
  isolationOf,
  parseSeccompProfile,
  type ResolvedSeccomp,
  resolveSeccomp,
  type SeccompProfile,
} from "../oci";
import { type Context, makePrivateDirectory, readText } from "../state";

export type Seccomp = {
  /** null: no filter. */
  seccomp: ResolvedSeccomp | null;
  /** Where the compiled filter is, or will be, kept. */
  cache: string | null;
};

/** The filter of a container: Docker's default profile for its capabilities, the user's own, or none. */
export function seccompFor(context: Context, spec: ContainerSpec): Seccomp {
  const host = spec.HostConfig;
  const given = host.SecurityOpt.findLast((option) => /^seccomp[=:]/.test(option))?.slice("seccomp=".length);
  const asked = given ?? profileOfImage(spec);
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

/** `--seccomp-policy image`: the profile that the image's label holds, or the default one (podman's annotation). */
function profileOfImage(spec: ContainerSpec): string | undefined {
  if (isolationOf(spec.HostConfig).SeccompPolicy !== "image") return undefined;
  return spec.Labels[SECCOMP_LABEL] || undefined;
}

const SECCOMP_LABEL = "io.containers.seccomp.profile";

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

const PROFILE_MOST = 4 << 20; // bytes; the usual one has 14,000

/** A file's path, or, from Docker's API, the profile itself. */
function profileFrom(value: string): SeccompProfile {
  if (value.startsWith("{")) return parseSeccompProfile(value, "profile");
  let text: string;
  try {
    text = readText(value, PROFILE_MOST);
  } catch (error) {
    throw new EngineError("io", "seccomp profile", value, error);
  }
  return parseSeccompProfile(text, value);
}

const SELINUX = "/sys/fs/selinux/enforce";
const APPARMOR = "/sys/module/apparmor/parameters/enabled";

const KNOWN =
  "known: seccomp=FILE|unconfined|builtin, no-new-privileges[:true|false], systempaths=unconfined, mask=PATHS, unmask=ALL|PATHS, proc-opts=OPTIONS, writable-cgroups[=true|false], label=disable, apparmor=unconfined";

/** Options that need nothing but to be well formed. */
const PLAIN =
  /^(no-new-privileges([:=](true|false))?|systempaths[:=]unconfined|(un)?mask[:=].+|proc-opts[:=].+|writable-cgroups([:=](true|false))?|label[:=](disable|nested)|apparmor[:=]unconfined)$/s;

const LABEL = /^label[:=](user|role|type|level|filetype):.+$/;

/**
 * Options as they are stored: a profile's file becomes its content, so that the container stays what it was created as. Refuses what is unknown
 * or cannot be done, before anything is made. WARN hears of what is accepted and has nothing to do on this host.
 */
export function storedSecurityOptions(options: string[], warn: (message: string) => void): string[] {
  return options.map((option) => {
    const file = /^seccomp[=:](.+)$/s.exec(option)?.[1];
    if (file !== undefined && file !== "unconfined" && file !== "builtin") {
      return `seccomp=${JSON.stringify(profileFrom(file))}`;
    }
    if (file !== undefined || PLAIN.test(option)) return option;
    if (LABEL.test(option)) return acceptedLabel(option, warn);
    const isProfile = /^apparmor[=:]./.test(option);
    const why = isProfile ? apparmorReason() : "unknown option";
    throw new EngineError(isProfile ? "unsupported" : "invalid", "security option", option, why, {
      hint: KNOWN,
    });
  });
}

/** As podman and docker do where there is no SELinux: taken, but not without a word. */
function acceptedLabel(option: string, warn: (message: string) => void): string {
  if (existsSync(SELINUX)) {
    const why = "an ordinary user cannot choose the label that a container's processes have";
    throw new EngineError("unsupported", "security option", option, why, { hint: KNOWN });
  }
  warn(`--security-opt ${option} has no effect: this host has no SELinux`);
  return option;
}

function apparmorReason(): string {
  return existsSync(APPARMOR)
    ? "an ordinary user cannot load or choose AppArmor profiles"
    : "this host has no AppArmor";
}
