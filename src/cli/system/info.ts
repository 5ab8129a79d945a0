import { readFileSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import { type CgroupFacts, cgroupFacts, listContainers, selectNetworkDriver } from "../../container";
import { EngineError, reasonOf } from "../../error";
import type { HostMappings } from "../../helper";
import { countImages } from "../../image";
import { logDrivers } from "../../oci";
import { selectDriver, zstdVersion } from "../../storage";
import { documentFlags } from "../_flags";
import { version } from "../_version";
import type { App } from "../app";
import { formatDocuments } from "../output/format";
import { memorySize } from "../output/size";
import { hangingLines } from "../output/wrap";
import { defineCommand } from "../tree";
import {
  configuredRegistries,
  dockerMore,
  hostMore,
  type Known,
  podmanVersion,
  registriesOf,
  storeOf,
} from "./_info-more";

/** Field names are those of `GET /info` of the Docker Engine API, and podman's; what proa adds is under `Proa`. */
type Info = ReturnType<typeof dockerMore> & {
  Containers: number;
  ContainersRunning: number;
  ContainersPaused: number;
  ContainersStopped: number;
  Images: number;
  Driver: string;
  DriverStatus: [string, string][];
  Plugins: { Volume: string[]; Network: string[]; Authorization: string[] | null; Log: string[] };
  LoggingDriver: string;
  KernelVersion: string;
  OperatingSystem: string;
  OSType: string;
  Architecture: string;
  NCPU: number;
  MemTotal: number;
  Name: string;
  ServerVersion: string;
  DockerRootDir: string;
  DefaultRuntime: string;
  Runtimes: Record<string, { path: string }>;
  CgroupDriver: string;
  CgroupVersion: string;
  MemoryLimit: boolean;
  SwapLimit: boolean;
  CpuCfsPeriod: boolean;
  CpuCfsQuota: boolean;
  CPUShares: boolean;
  CPUSet: boolean;
  PidsLimit: boolean;
  OomKillDisable: boolean;
  SecurityOptions: string[];
  Warnings: string[];
  /** podman's, by the names of its templates. */
  Host: { CgroupManager: string; CgroupsVersion: string; CgroupControllers: string[] } & ReturnType<
    typeof hostMore
  >;
  Store: ReturnType<typeof storeOf>;
  Registries: Record<string, string[]>;
  Version: ReturnType<typeof podmanVersion>;
  Proa: {
    /** Controllers that are not to be had, why, and what changes it. */
    Cgroups: CgroupFacts;
    Runtime: string;
    Cache: string;
    Config: string;
    IdMapping: string;
    Compression: string[];
    /** What makes the default network, and what it has to do without. */
    Network: { Driver: string; Reason: string };
  };
};

export const command = defineCommand({
  meta: {
    description: "Show how proa works on this host",
    examples: [
      { command: "proa info", does: "storage driver, id maps, paths, and what is missing" },
      { command: "proa info -f '{{.Driver}}'", does: "one field of it" },
    ],
  },
  args: {
    ...documentFlags,
  },
  fields: async () => (await import("../document-fields")).fieldsOf("info"),
  async run({ app, args }) {
    const info = await gather(app);
    app.io.stdout.write(
      args.format === undefined
        ? textOf(info, app.io.stdout.columns)
        : args.format === "json"
          ? `${JSON.stringify(info)}\n`
          : await formatDocuments([info], args.format),
    );
  },
});

async function gather({ context }: App): Promise<Info> {
  const containers = await listContainers(context, true);
  const alive = containers.filter(({ status }) => status === "running");
  const paused = alive.filter(({ live }) => live?.status === "paused").length;
  const running = alive.length - paused;
  const warnings: string[] = [];
  // Where nothing runs yet, this command is asked why: what fails becomes a line of it.
  const host = await orWarn(warnings, () => context.host());
  const selected = await orWarn(warnings, () => selectDriver(context));
  const cgroups = cgroupFacts(context);
  const network = await orWarn(warnings, () => selectNetworkDriver(context));
  if (host?.warning !== undefined) warnings.push(host.warning);
  if (selected !== undefined && selected.reason !== "")
    warnings.push(`storage driver ${selected.driver.name}: ${selected.reason}`);
  if (network !== undefined && network.reason !== "")
    warnings.push(
      `${network.name === "none" ? "no default network" : `network by ${network.name}`}: ${network.reason}`,
    );
  const registries = configuredRegistries(context, warnings);
  const stopped = containers.length - alive.length;
  const known: Known = {
    containers: { all: containers.length, running, paused, stopped },
    images: countImages(context),
    driver: selected?.driver.name ?? "unknown",
    mappings: host,
    networkDriver: network?.name ?? "unknown",
    cpus: cpus().length,
    memTotal: totalmem(),
    name: hostname(),
    runtimePath: process.execPath,
  };
  return {
    ...dockerMore(context, registries),
    Containers: containers.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: stopped,
    Images: known.images,
    Driver: known.driver,
    DriverStatus: selected === undefined || selected.reason === "" ? [] : [["Reason", selected.reason]],
    Plugins: { Volume: ["local"], Network: networkModes(), Authorization: null, Log: [...logDrivers] },
    LoggingDriver: context.log.driver,
    KernelVersion: release(),
    OperatingSystem: operatingSystem(),
    OSType: "linux",
    Architecture: arch() === "x64" ? "x86_64" : arch() === "arm64" ? "aarch64" : arch(),
    NCPU: known.cpus,
    MemTotal: known.memTotal,
    Name: known.name,
    ServerVersion: version,
    DockerRootDir: context.paths.data,
    DefaultRuntime: "proa",
    Runtimes: runtimes(),
    ...cgroupInfo(cgroups),
    SecurityOptions: ["name=seccomp,profile=builtin", "name=rootless", "name=userns"],
    Warnings: [...warnings, ...limitWarnings(cgroups)],
    Host: {
      CgroupManager: driverOf(cgroups),
      CgroupsVersion: `v${cgroups.version || 1}`,
      CgroupControllers: cgroups.controllers,
      ...hostMore(context, known),
    },
    Store: storeOf(context, known),
    Registries: registriesOf(registries),
    Version: podmanVersion(),
    Proa: {
      Cgroups: cgroups,
      Runtime: context.paths.runtime,
      Cache: context.paths.cache,
      Config: context.paths.config,
      IdMapping: host === undefined ? "none" : describeMapping(host),
      Compression: await compressions(warnings),
      Network: { Driver: network?.name ?? "unknown", Reason: network?.reason ?? "" },
    },
  };
}

/** docker knows these two; directories of version 1 are written to as those of version 2 are. */
function driverOf({ manager }: CgroupFacts): string {
  return manager === "v1" ? "cgroupfs" : manager;
}

function cgroupInfo(facts: CgroupFacts) {
  const has = (controller: string): boolean => facts.controllers.some((each) => each === controller);
  return {
    CgroupDriver: driverOf(facts),
    CgroupVersion: String(facts.version || 1),
    MemoryLimit: has("memory"),
    SwapLimit: has("memory"),
    CpuCfsPeriod: has("cpu"),
    CpuCfsQuota: has("cpu"),
    CPUShares: has("cpu"),
    CPUSet: has("cpuset"),
    PidsLimit: has("pids"),
    OomKillDisable: facts.version === 1 && has("memory"),
  };
}

/** docker's words for what is missing. */
const MISSING = {
  memory: ["memory limit", "swap limit"],
  cpu: ["cpu cfs quota", "cpu cfs period", "cpu shares"],
  cpuset: ["cpuset"],
  pids: ["pids limit"],
  io: [
    "io.weight",
    "io.weight (per device)",
    "io.max (rbps)",
    "io.max (wbps)",
    "io.max (riops)",
    "io.max (wiops)",
  ],
} as const;
const MISSING_IO_1 = [
  "blkio weight",
  "blkio weight_device",
  "blkio throttle.read_bps_device",
  "blkio throttle.write_bps_device",
  "blkio throttle.read_iops_device",
  "blkio throttle.write_iops_device",
];

function limitWarnings({ version, missing }: CgroupFacts): string[] {
  return missing.flatMap(({ controller }) =>
    (controller === "io" && version !== 2 ? MISSING_IO_1 : MISSING[controller]).map(
      (what) => `WARNING: No ${what} support`,
    ),
  );
}

/** What `--network` takes besides names. */
function networkModes(): string[] {
  const programs = ["slirp4netns", "pasta"].filter((program) => Bun.which(program) !== null);
  return ["bridge", "host", "none", "container", "ns", ...programs];
}

/** The result, or undefined and a warning with the reason and what to do. A choice that the user made wrongly stays an error. */
async function orWarn<T>(warnings: string[], ask: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof EngineError) || error.code === "invalid" || error.code === "io") throw error;
    warnings.push(error.hint === undefined ? error.message : `${error.message} (${error.hint})`);
    return undefined;
  }
}

/** Those built in, and those installed that `--runtime` takes by name. */
function runtimes(): Info["Runtimes"] {
  const found: Info["Runtimes"] = { proa: { path: process.execPath } };
  for (const name of ["crun", "runc"]) {
    const path = Bun.which(name);
    if (path !== null) found[name] = { path };
  }
  return found;
}

/** zstd's library has to be loaded from a temporary directory, which may forbid that. */
async function compressions(warnings: string[]): Promise<string[]> {
  try {
    return ["gzip", `zstd ${await zstdVersion()}`];
  } catch (error) {
    warnings.push(`layers cannot be compressed with zstd: ${reasonOf(error)}`);
    return ["gzip"];
  }
}

function describeMapping({ mappings, kind }: HostMappings): string {
  const ids = (map: { size: number }[]) => map.reduce((sum, { size }) => sum + size, 0);
  return kind === "single"
    ? "the user's own id only"
    : `${ids(mappings.uid)} user ids, ${ids(mappings.gid)} group ids`;
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}

function operatingSystem(): string {
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readOr("/etc/os-release", ""))?.[1] ?? "Linux";
}

const INDENT = 16;

/** COLUMNS: of the terminal; undefined where there is none. */
function textOf(info: Info, columns?: number): string {
  const lines: [string, string | number][] = [
    ["Version", info.ServerVersion],
    [
      "Containers",
      `${info.Containers} (${info.ContainersRunning} running, ${info.ContainersStopped} stopped)`,
    ],
    ["Images", info.Images],
    ["Storage driver", info.Driver],
    ["Network driver", info.Proa.Network.Driver],
    ["Network modes", info.Plugins.Network.join(", ")],
    ["Runtimes", Object.keys(info.Runtimes).join(", ")],
    ["Id mapping", info.Proa.IdMapping],
    ["Compression", info.Proa.Compression.join(", ")],
    ["Cgroup Driver", info.CgroupDriver],
    ["Cgroup Version", info.CgroupVersion],
    ["Controllers", info.Proa.Cgroups.controllers.join(", ") || "none"],
    ...info.Proa.Cgroups.missing.map(({ controller, why, mend }): [string, string] => [
      `No ${controller}`,
      `${why}; to have it: ${mend}`,
    ]),
    ["Security", "user namespaces, seccomp (built-in profile)"],
    ["Data", info.DockerRootDir],
    ["Runtime", info.Proa.Runtime],
    ["Cache", info.Proa.Cache],
    ["Configuration", info.Proa.Config],
    ["Kernel", info.KernelVersion],
    ["System", `${info.OperatingSystem}, ${info.Architecture}`],
    ["CPUs", info.NCPU],
    ["Memory", memorySize(info.MemTotal)],
    ["Name", info.Name],
  ];
  // what is missing of control groups stands above, with what changes it
  const warnings = info.Warnings.filter((warning) => !warning.startsWith("WARNING: "));
  return [
    ...lines.flatMap(([name, value]) => hangingLines(`${name}:`, String(value), INDENT, columns)),
    ...warnings.flatMap((warning) => hangingLines("Warning:", warning, 0, columns)),
  ]
    .map((line) => `${line}\n`)
    .join("");
}
