/**
 * What `info` knows besides its own: the rest of the fields of docker's answer, and podman's `Host`, `Store`, `Registries` and `Version`.
 * Fields of docker's that stand for what proa has not (a swarm, a daemon's commits) say so as docker does where it has it neither.
 */
import { readFileSync, statfsSync } from "node:fs";
import { arch, freemem, release, uptime } from "node:os";
import { join } from "node:path";
import { reasonOf } from "../../error";
import type { HostMappings } from "../../helper";
import { grantedCapabilities } from "../../oci";
import { readRegistriesConf } from "../../registry";
import type { Context } from "../../state";
import { version } from "../_version";

/** What the rest of `info` has found out already. */
export type Known = {
  containers: { all: number; running: number; paused: number; stopped: number };
  images: number;
  driver: string;
  mappings: HostMappings | undefined;
  networkDriver: string;
  cpus: number;
  memTotal: number;
  name: string;
  runtimePath: string;
};

const DOCKER_HUB = "https://index.docker.io/v1/";
const NO_COMMIT = { ID: "" };

/** docker's. */
export function dockerMore(context: Context, registries: RegistriesConf) {
  const { env } = context;
  const proxy = (name: string): string => env[name] ?? env[name.toLowerCase()] ?? "";
  return {
    ID: engineId(context),
    IPv4Forwarding: true, // netd forwards in a namespace of its own, whatever the host does
    Debug: false,
    NFd: 0, // these three are a daemon's, and there is none
    NGoroutines: 0,
    NEventsListener: 0,
    SystemTime: new Date(context.now()).toISOString(),
    OSVersion: osRelease().VERSION_ID ?? "",
    IndexServerAddress: DOCKER_HUB,
    RegistryConfig: registryConfig(registries),
    GenericResources: null,
    HttpProxy: proxy("HTTP_PROXY"),
    HttpsProxy: proxy("HTTPS_PROXY"),
    NoProxy: proxy("NO_PROXY"),
    Labels: [],
    ExperimentalBuild: false,
    Swarm: {
      NodeID: "",
      NodeAddr: "",
      LocalNodeState: "inactive",
      ControlAvailable: false,
      Error: "",
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true, // there is no daemon whose end would be theirs
    Isolation: "",
    InitBinary: "proa-init",
    ContainerdCommit: NO_COMMIT,
    RuncCommit: NO_COMMIT,
    InitCommit: NO_COMMIT,
    CDISpecDirs: ["/etc/cdi", "/run/cdi", "/var/run/cdi"],
    ClientInfo: { Debug: false, Version: version, Context: "default", Plugins: [], Warnings: null },
  };
}

/** podman's `Host`, without what control groups say. */
export function hostMore(context: Context, known: Known) {
  const memory = readOr("/proc/meminfo");
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(memory)?.[1] ?? 0) * 1024;
  const os = osRelease();
  const own = { Package: "", Path: known.runtimePath, Version: `proa version ${version}` };
  const program = (name: string) => ({ Executable: Bun.which(name) ?? "", Package: "", Version: "" });
  const maps = known.mappings?.mappings;
  const goMap = (map: { containerID: number; hostID: number; size: number }[] = []) =>
    map.map((line) => ({ container_id: line.containerID, host_id: line.hostID, size: line.size }));
  return {
    Arch: arch() === "x64" ? "amd64" : arch(),
    OS: "linux",
    Kernel: release(),
    Hostname: known.name,
    CPUs: known.cpus,
    MemTotal: known.memTotal,
    MemFree: freemem(),
    SwapTotal: bytes("SwapTotal"),
    SwapFree: bytes("SwapFree"),
    Uptime: uptimeText(uptime()),
    CPUUtilization: cpuUtilization(),
    Distribution: {
      Distribution: os.ID ?? "",
      Version: os.VERSION_ID ?? "",
      Codename: os.VERSION_CODENAME ?? "",
      Variant: os.VARIANT_ID ?? "",
    },
    DatabaseBackend: "sqlite",
    EventLogger: "file",
    LogDriver: context.log.driver,
    IDMappings: { UIDMap: goMap(maps?.uid), GIDMap: goMap(maps?.gid) },
    NetworkBackend: known.networkDriver,
    NetworkBackendInfo: { Backend: known.networkDriver, ...own },
    RootlessNetworkCmd: known.networkDriver,
    Slirp4NetNS: program("slirp4netns"),
    Pasta: program("pasta"),
    Conmon: own, // what watches over a container is in the same file
    RemoteSocket: { Path: "", Exists: false },
    OCIRuntime: { Name: "proa", ...own },
    Security: {
      AppArmorEnabled: false, // no profile of the host's is laid on containers without root
      DefaultCapabilities: grantedCapabilities([], [], false).join(","),
      Rootless: context.uid !== 0,
      SECCOMPEnabled: true,
      SECCOMPProfilePath: "",
      SELinuxEnabled: false,
    },
    ServiceIsRemote: false,
    Variant: "",
  };
}

/** podman's `Store`. */
export function storeOf(context: Context, known: Known) {
  const { paths } = context;
  const disk = spaceOf(paths.data);
  const { containers } = known;
  return {
    ConfigFile: join(paths.config, "config.toml"),
    ContainerStore: {
      Number: containers.all,
      Paused: containers.paused,
      Running: containers.running,
      Stopped: containers.stopped,
    },
    GraphDriverName: known.driver,
    GraphOptions: {},
    GraphRoot: paths.data,
    GraphRootAllocated: disk.allocated,
    GraphRootUsed: disk.used,
    GraphStatus: {},
    ImageCopyTmpDir: paths.images,
    ImageStore: { Number: known.images },
    RunRoot: paths.runtime,
    TransientStore: false,
    VolumePath: join(paths.data, "volumes"),
  };
}

type RegistriesConf = ReturnType<typeof readRegistriesConf>;

/** Registries as they are configured; a file that cannot be read becomes a warning, for that is what is looked up here. */
export function configuredRegistries({ env }: Context, warnings: string[]): RegistriesConf {
  try {
    return readRegistriesConf(env);
  } catch (error) {
    warnings.push(reasonOf(error));
    return { entries: [], search: undefined, aliases: new Map() };
  }
}

/** podman's `Registries`: what short names are looked for in. */
export function registriesOf({ search }: RegistriesConf): Record<string, string[]> {
  return search === undefined ? {} : { search };
}

/** podman's `Version`. */
export function podmanVersion() {
  const os = `linux/${arch() === "x64" ? "amd64" : arch()}`;
  return { APIVersion: version, Version: version, OsArch: os, Os: "linux" };
}

function registryConfig({ entries }: RegistriesConf) {
  const hub = entries.find(({ prefix }) => prefix === "docker.io");
  const mirrors = (hub?.mirrors ?? []).map(({ location }) => location);
  const configs = entries.map(({ prefix, isInsecure, mirrors: all }) => [
    prefix,
    {
      Name: prefix,
      Mirrors: all.map(({ location }) => location),
      Secure: !isInsecure,
      Official: prefix === "docker.io",
    },
  ]);
  const official = { Name: "docker.io", Mirrors: mirrors, Secure: true, Official: true };
  return {
    InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8"],
    IndexConfigs: { "docker.io": official, ...Object.fromEntries(configs) },
    Mirrors: mirrors,
  };
}

/** The same for one user's store on one machine, and another for every other: of the form that docker's has. */
function engineId({ paths, uid }: Context): string {
  const hex = new Bun.CryptoHasher("sha256")
    .update([readOr("/etc/machine-id").trim(), uid, paths.data].join("\n"))
    .digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    "-",
  );
}

function spaceOf(path: string): { allocated: number; used: number } {
  try {
    const { bsize, blocks, bfree } = statfsSync(path);
    return { allocated: bsize * blocks, used: bsize * (blocks - bfree) };
  } catch {
    return { allocated: 0, used: 0 }; // nothing has been stored yet
  }
}

/** Shares of the processors' time since the machine was started, in percent. */
function cpuUtilization() {
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, ...rest] =
    /^cpu +(.*)/.exec(readOr("/proc/stat"))?.[1]?.split(" ").map(Number) ?? [];
  const all = [user, nice, system, idle, wait, ...rest.slice(0, 3)].reduce((sum, each) => sum + each, 0); // what guests use is the user's, too
  const percent = (part: number): number => (all === 0 ? 0 : Math.round((part / all) * 10_000) / 100);
  return { UserPercent: percent(user + nice), SystemPercent: percent(system), IdlePercent: percent(idle) };
}

/** As podman has it: `3h 25m 1.00s`. */
function uptimeText(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const days = hours >= 24 ? ` (Approximately ${(hours / 24).toFixed(2)} days)` : "";
  return `${hours}h ${minutes}m ${(seconds % 60).toFixed(2)}s${days}`;
}

function osRelease(): Record<string, string | undefined> {
  const lines = readOr("/etc/os-release").matchAll(/^(\w+)="?([^"\n]*)/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
