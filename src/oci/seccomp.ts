/** Docker's seccomp profiles, resolved into the runtime spec's `linux.seccomp`. */
import { EngineError } from "../error";

export type SeccompArg = { index: number; value: number; valueTwo?: number; op: string };

/** `linux.seccomp` of the OCI runtime spec. */
export type LinuxSeccomp = {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  flags?: string[];
  syscalls: { names: string[]; action: string; errnoRet?: number; args?: SeccompArg[] }[];
};

type Condition = { caps?: string[]; arches?: string[]; minKernel?: string } | null;

/** A profile as Docker writes it: rules that hold for some capabilities, architectures and kernels. */
export type SeccompProfile = {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  archMap?: { architecture: string; subArchitectures: string[] | null }[];
  flags?: string[];
  syscalls: {
    names?: string[];
    name?: string;
    action: string;
    errnoRet?: number;
    args?: SeccompArg[] | null;
    includes?: Condition;
    excludes?: Condition;
  }[];
};

export type SeccompHost = {
  /** Capabilities of the container, `CAP_…`. */
  capabilities: readonly string[];
  /** As Go has it: amd64, arm64 … */
  arch: string;
  /** `major.minor…` of the kernel. */
  kernel: string;
};

const ARCHITECTURE: Record<string, string> = {
  amd64: "SCMP_ARCH_X86_64",
  arm64: "SCMP_ARCH_AARCH64",
  arm: "SCMP_ARCH_ARM",
  riscv64: "SCMP_ARCH_RISCV64",
  s390x: "SCMP_ARCH_S390X",
  ppc64le: "SCMP_ARCH_PPC64LE",
};

/** The rules of `profile` that hold on this host for these capabilities. */
export function resolveSeccomp(profile: SeccompProfile, host: SeccompHost): LinuxSeccomp {
  const native = ARCHITECTURE[host.arch];
  const family = profile.archMap?.find((entry) => entry.architecture === native);
  const architectures = family
    ? [family.architecture, ...(family.subArchitectures ?? [])]
    : profile.architectures;
  const syscalls = profile.syscalls
    .filter((rule) => matchesAll(rule.includes, host) && !matchesAny(rule.excludes, host))
    .map(({ names, name, action, errnoRet, args }) => ({
      names: names ?? (name === undefined ? [] : [name]),
      action,
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args?.length ? { args } : {}),
    }));
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures ? { architectures } : {}),
    ...(profile.flags?.length ? { flags: profile.flags } : {}),
    syscalls,
  };
}

/** An include holds when each condition in it does. */
function matchesAll(condition: Condition | undefined, host: SeccompHost): boolean {
  if (!condition) return true;
  if (condition.arches?.length && !condition.arches.includes(host.arch)) return false;
  if (condition.caps && !condition.caps.every((name) => host.capabilities.includes(name))) return false;
  return !condition.minKernel || isAtLeast(host.kernel, condition.minKernel);
}

/** An exclude holds when one condition in it does. */
function matchesAny(condition: Condition | undefined, host: SeccompHost): boolean {
  if (!condition) return false;
  if (condition.arches?.includes(host.arch)) return true;
  if (condition.caps?.some((name) => host.capabilities.includes(name))) return true;
  return condition.minKernel !== undefined && isAtLeast(host.kernel, condition.minKernel);
}

function isAtLeast(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** A profile from a user's file. Throws `invalid`, naming what is wrong; the helper checks actions and names when it compiles. */
export function parseSeccompProfile(text: string, path: string): SeccompProfile {
  const fail = (why: unknown): never => {
    throw new EngineError("invalid", "seccomp profile", path, why);
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return fail(error);
  }
  const profile = value as Partial<SeccompProfile> | null;
  if (typeof profile !== "object" || profile === null) return fail("not a JSON object");
  if (typeof profile.defaultAction !== "string") return fail("defaultAction is missing");
  const syscalls = profile.syscalls ?? [];
  if (!Array.isArray(syscalls)) return fail("syscalls is not a list");
  for (const rule of syscalls) {
    if (typeof rule?.action !== "string") return fail("a rule of syscalls has no action");
    if (rule.names !== undefined && !Array.isArray(rule.names)) return fail("names of a rule is not a list");
  }
  return { ...profile, defaultAction: profile.defaultAction, syscalls };
}
