/** From a ContainerSpec to a runtime config: `config.json` of the OCI runtime specification 1.2. */

import { EngineError } from "../error";
import type { Mappings, OciProcess } from "../helper";
import { grantedCapabilities } from "./capabilities";
import type { ContainerSpec } from "./container-spec";
import type { ResolvedSeccomp } from "./default-seccomp";
import type { ResolvedUser } from "./passwd";
import type { LinuxSeccomp } from "./seccomp";

export const OCI_RUNTIME_VERSION = "1.2.0";

export type OciMount = { destination: string; type?: string; source?: string; options?: string[] };

export type RuntimeConfig = {
  ociVersion: string;
  process: OciProcess;
  root: { path: string; readonly: boolean };
  hostname?: string;
  domainname?: string;
  mounts: OciMount[];
  annotations: Record<string, string>;
  linux: {
    uidMappings: Mappings["uid"];
    gidMappings: Mappings["gid"];
    namespaces: { type: string; path?: string }[];
    sysctl?: Record<string, string>;
    /** Comes as text, with encodeConfig(). */
    seccomp?: LinuxSeccomp;
    maskedPaths: string[];
    readonlyPaths: string[];
  };
};

/** Where a container's network namespace comes from. USER: of the namespace that owns it, to be joined as well, or null where it is not needed. */
export type NetworkNamespace =
  | { kind: "own" }
  | { kind: "host" }
  | { kind: "joined"; path: string; user: string | null };

/** What the spec does not say itself: looked up by the caller, so that this function only computes. */
export type ConfigInput = {
  id: string;
  spec: ContainerSpec;
  user: ResolvedUser;
  mappings: Mappings;
  network: NetworkNamespace;
  /** Files that are bound over the image's: target to source. */
  files: Record<string, string>;
  /** The highest number of open files that this process may ask for. */
  maxOpenFiles: number;
  consoleSize: { height: number; width: number } | undefined;
};

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Docker's own limit where the host has a higher one. */
const OPEN_FILES = 1_048_576;

/** Runtime spec, "Default Filesystems", and what Docker masks. */
const MASKED_PATHS = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

export function runtimeConfig(input: ConfigInput): RuntimeConfig {
  const { spec, mappings, network } = input;
  const host = spec.HostConfig;
  const sysctl = sysctlsOf(input);
  return {
    ociVersion: OCI_RUNTIME_VERSION,
    process: processConfig(input),
    root: { path: "rootfs", readonly: host.ReadonlyRootfs },
    hostname: spec.Hostname,
    ...(spec.Domainname ? { domainname: spec.Domainname } : {}),
    mounts: mountsOf(input),
    annotations: {},
    linux: {
      uidMappings: mappings.uid,
      gidMappings: mappings.gid,
      namespaces: namespacesOf(network),
      ...(Object.keys(sysctl).length > 0 ? { sysctl } : {}),
      maskedPaths: host.Privileged ? [] : MASKED_PATHS,
      readonlyPaths: host.Privileged ? [] : READONLY_PATHS,
    },
  };
}

function namespacesOf(network: NetworkNamespace): { type: string; path?: string }[] {
  const user = network.kind === "joined" && network.user !== null ? { path: network.user } : {};
  const fresh = ["mount", "pid", "ipc", "uts", "cgroup"].map((type) => ({ type }));
  const own = network.kind === "joined" ? { path: network.path } : {};
  return [
    { type: "user", ...user },
    ...fresh,
    ...(network.kind === "host" ? [] : [{ type: "network", ...own }]),
  ];
}

/** The user's, and what Docker sets where the network is the container's own: low ports and ping need no privilege in it. */
function sysctlsOf({ spec, mappings, network }: ConfigInput): Record<string, string> {
  if (network.kind !== "own") return spec.HostConfig.Sysctls;
  const highest = Math.max(0, ...mappings.gid.map(({ containerID, size }) => containerID + size - 1));
  return {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": `0 ${highest}`, // an id that is not mapped would be refused
    ...spec.HostConfig.Sysctls,
  };
}

/** The text of `config.json`, with the filter that is already text. */
export function encodeConfig(config: RuntimeConfig, seccomp: ResolvedSeccomp | null): string {
  const text = JSON.stringify(config);
  if (seccomp === null) return text;
  const end = "}}"; // of `linux`, which runtimeConfig() puts last, and of the whole
  return `${text.slice(0, -end.length)},"seccomp":${seccomp.text}${end}`;
}

function processConfig(input: ConfigInput): OciProcess {
  const { spec, user } = input;
  const host = spec.HostConfig;
  return {
    ...processBase(spec, user, spec.Tty, [...spec.Entrypoint, ...spec.Cmd], spec.Env),
    cwd: spec.WorkingDir || "/",
    rlimits: rlimitsOf(spec, input.maxOpenFiles),
    ...(host.OomScoreAdj === null ? {} : { oomScoreAdj: host.OomScoreAdj }),
    ...(input.consoleSize ? { consoleSize: input.consoleSize } : {}),
  };
}

/** What the first process and the ones that `exec` adds have in common. */
export function processBase(
  spec: ContainerSpec,
  user: ResolvedUser,
  terminal: boolean,
  args: string[],
  env: string[],
): OciProcess {
  const host = spec.HostConfig;
  const capabilities = grantedCapabilities(host.CapAdd, host.CapDrop, host.Privileged);
  return {
    terminal,
    user: {
      uid: user.uid,
      gid: user.gid,
      ...(user.additionalGids.length > 0 ? { additionalGids: user.additionalGids } : {}),
    },
    args,
    env: environment(spec, user, terminal, env),
    cwd: "/",
    // inheritable stays empty: a program must not pass on what it was not given for that (CVE-2022-24769)
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    noNewPrivileges: noNewPrivileges(spec),
  };
}

function noNewPrivileges(spec: ContainerSpec): boolean {
  return spec.HostConfig.SecurityOpt.some((option) => /^no-new-privileges([:=]true)?$/.test(option));
}

/** PATH, HOSTNAME, TERM and HOME as Docker sets them, each only where `env` does not; a later line of a name wins. */
function environment(spec: ContainerSpec, user: ResolvedUser, terminal: boolean, env: string[]): string[] {
  const values = new Map<string, string>([
    ["PATH", DEFAULT_PATH],
    ["HOSTNAME", spec.Hostname],
  ]);
  if (terminal) values.set("TERM", "xterm");
  for (const line of env) {
    const cut = line.indexOf("=");
    if (cut < 1) continue; // an image may say anything; this says nothing
    values.set(line.slice(0, cut), line.slice(cut + 1));
  }
  if (!values.get("HOME")) values.set("HOME", user.home);
  return [...values].map(([name, value]) => `${name}=${value}`);
}

/** Docker's -1 is no limit. RLIM_INFINITY has no exact number here, and the helper takes this one, and all above it, for it. */
function limitOf(value: number): number {
  return value < 0 ? Number.MAX_SAFE_INTEGER : value;
}

/** The resource limits of a container's processes; those that `exec` adds have them too. */
export function rlimitsOf(spec: ContainerSpec, maxOpenFiles: number): NonNullable<OciProcess["rlimits"]> {
  const files = Math.min(OPEN_FILES, maxOpenFiles);
  const limits = new Map([["RLIMIT_NOFILE", { soft: files, hard: files }]]);
  for (const { Name, Soft, Hard } of spec.HostConfig.Ulimits) {
    limits.set(`RLIMIT_${Name.toUpperCase()}`, { soft: limitOf(Soft), hard: limitOf(Hard) });
  }
  return [...limits].map(([type, limit]) => ({ type, ...limit }));
}

/** Only who owns a network namespace may mount a sysfs, which shows that network. */
function ownsNetwork(network: NetworkNamespace): boolean {
  return network.kind === "own" || (network.kind === "joined" && network.user !== null);
}

function mountsOf(input: ConfigInput): OciMount[] {
  const { spec, files, network } = input;
  const host = spec.HostConfig;
  const readonly = host.Privileged ? [] : ["ro"];
  const safe = ["nosuid", "noexec", "nodev"];
  return [
    { destination: "/proc", type: "proc", source: "proc", options: safe },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", ...ttyGroup(input.mappings)],
    },
    ownsNetwork(network)
      ? { destination: "/sys", type: "sysfs", source: "sysfs", options: [...safe, ...readonly] }
      : { destination: "/sys", type: "none", source: "/sys", options: ["rbind", ...safe, "ro"] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: [...safe, "relatime", ...readonly],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: safe },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: [...safe, "mode=1777", `size=${host.ShmSize}`],
    },
    ...Object.entries(files).map(([destination, source]) => ({
      destination,
      type: "bind",
      source,
      options: ["rbind", "rprivate"],
    })),
    ...Object.entries(host.Tmpfs).map(([destination, options]) => ({
      destination,
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "nodev", "noexec", ...options.split(",").filter(Boolean)],
    })),
    ...host.Binds.map(bindMount),
  ];
}

/** gid 5 is `tty` everywhere; where it is not mapped, terminals belong to their user's group. */
function ttyGroup(mappings: Mappings): string[] {
  const mapped = mappings.gid.some(({ containerID, size }) => containerID <= 5 && 5 < containerID + size);
  return mapped ? ["gid=5"] : [];
}

const BIND_OPTIONS = new Set([
  "ro",
  "rw",
  "z",
  "Z",
  "rprivate",
  "private",
  "rshared",
  "shared",
  "rslave",
  "slave",
  "nosuid",
  "nodev",
  "noexec",
]);

/** `/source:/target[:options]`, as Docker's `Binds`; z and Z ask for SELinux labels, which a user namespace cannot set. */
export function bindMount(bind: string): OciMount {
  const [source = "", destination = "", optionText = "", ...rest] = bind.split(":");
  const options = optionText.split(",").filter(Boolean);
  const unknown = options.find((option) => !BIND_OPTIONS.has(option));
  if (!source.startsWith("/") || !destination.startsWith("/") || rest.length > 0) {
    throw new EngineError(
      "invalid",
      "volume",
      bind,
      "expected /source:/target[:options] with absolute paths",
    );
  }
  if (unknown) throw new EngineError("invalid", "volume", bind, `unknown option "${unknown}"`);
  const kept = options.filter((option) => option !== "z" && option !== "Z" && option !== "rw");
  const propagation = kept.some((option) => /^r?(private|shared|slave)$/.test(option)) ? [] : ["rprivate"];
  return { destination, type: "bind", source, options: ["rbind", ...propagation, ...kept] };
}
