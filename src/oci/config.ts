/** From a ContainerSpec to a runtime config: `config.json` of the OCI runtime specification 1.2. */

import type { Mappings, OciProcess } from "../helper";
import { grantedCapabilities } from "./capabilities";
import type { ContainerSpec } from "./container-spec";
import type { ResolvedSeccomp } from "./default-seccomp";
import { isolationOf } from "./isolation";
import type { LinuxResources } from "./linux-resources";
import type { NamespaceKind } from "./namespace-mode";
import type { ResolvedUser } from "./passwd";
import { appliedPaths, hasWritableCgroups } from "./protected-paths";
import type { LinuxSeccomp } from "./seccomp";

/** Runtimes refuse versions that are newer than they are (crun of Debian 12: than 1.0), and pass over what they do not know: all that we write is in that one, or may be passed over. */
export const OCI_RUNTIME_VERSION = "1.0.2";

export type OciMount = {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
  /** What proa's helper does before it is mounted (`native/volume.h`); other runtimes find it done. */
  proa?: {
    from?: string;
    scratch?: string;
    subpath?: string;
    owner?: { uid: number; gid: number };
    copyUp?: { store: string; marker: string; keepOwner: boolean; within?: boolean };
    overlay?: { lower?: string[]; upper?: string; work?: string; fresh?: boolean; tmpfs?: boolean };
    topOnly?: boolean;
    /** `source` is /proc/PID/root/PATH, in the mount namespace of another container. */
    borrowed?: true;
  };
};

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
    personality?: { domain: string };
    cgroupsPath?: string;
    resources?: LinuxResources;
  };
};

/** Where a container's network namespace comes from. USER: of the namespace that owns it, to be joined as well, or null where it is not needed. */
export type NetworkNamespace =
  | { kind: "own" }
  | { kind: "host" }
  | { kind: "joined"; path: string; user: string | null };

/** Namespaces that are not the container's own. */
export type JoinedNamespaces = {
  /** The user namespace; null: its own. */
  user: string | null;
  /** A path, or the host's; absent: its own. */
  others: Partial<Record<NamespaceKind, { path: string } | "host">>;
  /** Where /dev/shm comes from: "own" is a fresh one; null: there is none. */
  shm: "own" | string | null;
  /** The host's /dev/mqueue, for a container that shares its IPC namespace; null where it has none. */
  mqueue: string | null;
};

/** What the spec does not say itself: looked up by the caller, so that this function only computes. */
export type ConfigInput = {
  id: string;
  spec: ContainerSpec;
  user: ResolvedUser;
  mappings: Mappings;
  network: NetworkNamespace;
  /** Files that are bound over the image's: target to source. */
  files: Record<string, string>;
  /** The user's, what lies in another behind it. */
  mounts?: OciMount[];
  /** Behind all others. */
  lastMounts?: OciMount[];
  /** The highest number of open files that this process may ask for. */
  maxOpenFiles: number;
  consoleSize: { height: number; width: number } | undefined;
  /** Absent: all are its own. */
  joined?: JoinedNamespaces | undefined;
  /** Devices and what belongs to them: mounted after everything else, and set where the user does not. */
  edits?: { mounts: OciMount[]; env: string[]; additionalGids: number[] } | undefined;
};

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Docker's own limit where the host has a higher one. */
const OPEN_FILES = 1_048_576;

export function runtimeConfig(input: ConfigInput): RuntimeConfig {
  const { spec, mappings, network } = input;
  const host = spec.HostConfig;
  const sysctl = sysctlsOf(input);
  const isolation = isolationOf(host);
  const paths = appliedPaths(isolation, host.Privileged);
  const hasOwnName = input.joined?.others.uts === undefined;
  return {
    ociVersion: OCI_RUNTIME_VERSION,
    process: processConfig(input),
    root: { path: "rootfs", readonly: host.ReadonlyRootfs },
    ...(hasOwnName ? { hostname: spec.Hostname } : {}),
    ...(hasOwnName && spec.Domainname ? { domainname: spec.Domainname } : {}),
    mounts: mountsOf(input),
    annotations: { ...host.Annotations },
    linux: {
      uidMappings: mappings.uid,
      gidMappings: mappings.gid,
      namespaces: namespacesOf(network, input.joined),
      ...(Object.keys(sysctl).length > 0 ? { sysctl } : {}),
      ...(isolation.Personality ? { personality: { domain: isolation.Personality } } : {}),
      maskedPaths: paths.masked,
      readonlyPaths: paths.readonly,
    },
  };
}

function namespacesOf(
  network: NetworkNamespace,
  joined: JoinedNamespaces | undefined,
): { type: string; path?: string }[] {
  const owner = joined?.user ?? (network.kind === "joined" ? network.user : null);
  const own = network.kind === "joined" ? { path: network.path } : {};
  const others = (["pid", "ipc", "uts", "cgroup"] as const).flatMap((type) => {
    const from = joined?.others[type];
    return from === "host" ? [] : [{ type, ...from }];
  });
  return [
    { type: "user", ...(owner === null ? {} : { path: owner }) },
    { type: "mount" },
    ...others,
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
  const { spec, edits } = input;
  const host = spec.HostConfig;
  const groups = [...new Set([...input.user.additionalGids, ...(edits?.additionalGids ?? [])])];
  const user = { ...input.user, additionalGids: groups };
  return {
    ...processBase(
      spec,
      user,
      spec.Tty,
      [...spec.Entrypoint, ...spec.Cmd],
      [...(edits?.env ?? []), ...spec.Env],
    ),
    cwd: spec.WorkingDir || "/",
    rlimits: rlimitsOf(spec, input.maxOpenFiles),
    ...(host.OomScoreAdj === null ? {} : { oomScoreAdj: host.OomScoreAdj }),
    ...(input.consoleSize ? { consoleSize: input.consoleSize } : {}),
  };
}

/** What the first process and the ones that `exec` adds have in common. PRIVILEGED: all capabilities, as `exec --privileged` has it. */
export function processBase(
  spec: ContainerSpec,
  user: ResolvedUser,
  terminal: boolean,
  args: string[],
  env: string[],
  more: { privileged?: boolean } = {},
): OciProcess {
  const host = spec.HostConfig;
  const privileged = host.Privileged || (more.privileged ?? false);
  const capabilities = privileged
    ? grantedCapabilities([], more.privileged ? [] : host.CapDrop, true)
    : grantedCapabilities(host.CapAdd, host.CapDrop, false);
  // execve takes them from all but root: with them it would execute what its user has no right to
  const held = user.uid === 0 ? capabilities : [];
  const { Umask } = isolationOf(host);
  return {
    terminal,
    user: {
      uid: user.uid,
      gid: user.gid,
      // the primary one, too: a set-group-ID program must not be able to drop it, and what a file denies to it (CVE-2022-36109)
      additionalGids: [...new Set([user.gid, ...user.additionalGids])],
      ...(Umask === "" ? {} : { umask: Number.parseInt(Umask, 8) }),
    },
    args,
    env: environment(spec, user, terminal, env),
    cwd: "/",
    // inheritable stays empty: a program must not pass on what it was not given for that (CVE-2022-24769)
    capabilities: { bounding: capabilities, effective: held, permitted: held },
    noNewPrivileges: noNewPrivileges(spec) && !more.privileged,
  };
}

function noNewPrivileges(spec: ContainerSpec): boolean {
  const said = spec.HostConfig.SecurityOpt.findLast((option) => option.startsWith("no-new-privileges"));
  return said !== undefined && !/[:=]false$/.test(said);
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
  for (const name of spec.UnsetEnv ?? [])
    if (!env.some((line) => line.startsWith(`${name}=`))) values.delete(name);
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
  const { mounts = [], files } = input;
  const taken = new Set(mounts.map(({ destination }) => destination));
  // who brings a /dev of their own brings what is in it
  const isUsual = ({ destination }: OciMount): boolean =>
    !taken.has(destination) && !(taken.has("/dev") && destination.startsWith("/dev/"));
  return [
    ...usualMounts(input).filter(isUsual),
    ...withFiles(mounts, files),
    ...(input.edits?.mounts ?? []),
    ...(input.lastMounts ?? []),
  ];
}

/** What every container has. */
function usualMounts(input: ConfigInput): OciMount[] {
  const { spec, network } = input;
  const host = spec.HostConfig;
  const readonly = host.Privileged ? [] : ["ro"];
  const cgroupReadonly = hasWritableCgroups(host.SecurityOpt) ? [] : readonly;
  const safe = ["nosuid", "noexec", "nodev"];
  return [
    {
      destination: "/proc",
      type: "proc",
      source: "proc",
      options: [...safe, ...procOptions(host.SecurityOpt)],
    },
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
      options: [...safe, "relatime", ...cgroupReadonly],
    },
    ...ipcMounts(input, safe),
  ];
}

/** What belongs to an IPC namespace: POSIX queues and shared memory. */
function ipcMounts({ spec, joined }: ConfigInput, safe: string[]): OciMount[] {
  const bind = (destination: string, from: string | null): OciMount[] =>
    from === null ? [] : [{ destination, type: "bind", source: from, options: ["bind", ...safe] }];
  const { ipc } = joined?.others ?? {};
  const mqueue =
    ipc === "host"
      ? bind("/dev/mqueue", joined?.mqueue ?? null)
      : [{ destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: safe }];
  if (joined?.shm !== undefined && joined.shm !== "own") {
    const borrowed = joined.shm?.startsWith("/proc/") ? { proa: { borrowed: true as const } } : {};
    return [...mqueue, ...bind("/dev/shm", joined.shm).map((mount) => ({ ...mount, ...borrowed }))];
  }
  const options = [...safe, "mode=1777", `size=${spec.HostConfig.ShmSize}`];
  return [...mqueue, { destination: "/dev/shm", type: "tmpfs", source: "shm", options }];
}

/** `--security-opt proc-opts=…`, as podman has it. */
function procOptions(options: readonly string[]): string[] {
  const said = options.findLast((option) => /^proc-opts[=:]/.test(option));
  return said === undefined ? [] : said.slice("proc-opts=".length).split(",").filter(Boolean);
}

/** gid 5 is `tty` everywhere; where it is not mapped, terminals belong to their user's group. */
function ttyGroup(mappings: Mappings): string[] {
  const mapped = mappings.gid.some(({ containerID, size }) => containerID <= 5 && 5 < containerID + size);
  return mapped ? ["gid=5"] : [];
}

/** The user's mounts, and the files that are bound over the image's: each behind what it lies in, and none where the user has something else. */
function withFiles(mounts: readonly OciMount[], files: Record<string, string>): OciMount[] {
  const taken = new Set(mounts.map(({ destination }) => destination));
  const bound = Object.entries(files)
    .filter(([destination]) => !taken.has(destination))
    .map(([destination, source]) => ({ destination, type: "bind", source, options: ["rbind", "rprivate"] }));
  if (mounts.length === 0) return bound;
  const depth = ({ destination }: OciMount) => destination.split("/").length;
  return [...bound, ...mounts].sort((a, b) => depth(a) - depth(b));
}
