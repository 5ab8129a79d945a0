import { readFileSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import { listContainers, selectNetworkDriver } from "../../container";
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
import { defineCommand } from "../tree";

/** Field names are those of `GET /info` of the Docker Engine API; what proa adds is under `Proa`. */
type Info = {
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
  SecurityOptions: string[];
  Warnings: string[];
  Proa: {
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
  async run({ app, args }) {
    const info = await gather(app);
    app.io.stdout.write(
      args.format === undefined
        ? textOf(info)
        : args.format === "json"
          ? `${JSON.stringify(info)}\n`
          : await formatDocuments([info], args.format),
    );
  },
});

async function gather({ context }: App): Promise<Info> {
  const containers = await listContainers(context, true);
  const running = containers.filter(({ status }) => status === "running").length;
  const warnings: string[] = [];
  // Where nothing runs yet, this command is asked why: what fails becomes a line of it.
  const host = await orWarn(warnings, () => context.host());
  const selected = await orWarn(warnings, () => selectDriver(context));
  const network = await orWarn(warnings, () => selectNetworkDriver(context));
  if (host?.warning !== undefined) warnings.push(host.warning);
  if (selected !== undefined && selected.reason !== "")
    warnings.push(`storage driver ${selected.driver.name}: ${selected.reason}`);
  if (network !== undefined && network.reason !== "")
    warnings.push(
      `${network.name === "none" ? "no default network" : `network by ${network.name}`}: ${network.reason}`,
    );
  return {
    Containers: containers.length,
    ContainersRunning: running,
    ContainersPaused: 0,
    ContainersStopped: containers.length - running,
    Images: countImages(context),
    Driver: selected?.driver.name ?? "unknown",
    DriverStatus: selected === undefined || selected.reason === "" ? [] : [["Reason", selected.reason]],
    Plugins: { Volume: [], Network: networkModes(), Authorization: null, Log: [...logDrivers] },
    LoggingDriver: context.log.driver,
    KernelVersion: release(),
    OperatingSystem: operatingSystem(),
    OSType: "linux",
    Architecture: arch() === "x64" ? "x86_64" : arch() === "arm64" ? "aarch64" : arch(),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    Name: hostname(),
    ServerVersion: version,
    DockerRootDir: context.paths.data,
    DefaultRuntime: "proa",
    Runtimes: runtimes(),
    CgroupDriver: "none",
    CgroupVersion: readOr("/sys/fs/cgroup/cgroup.controllers", "") === "" ? "1" : "2",
    SecurityOptions: ["name=seccomp,profile=builtin", "name=rootless", "name=userns"],
    Warnings: warnings,
    Proa: {
      Runtime: context.paths.runtime,
      Cache: context.paths.cache,
      Config: context.paths.config,
      IdMapping: host === undefined ? "none" : describeMapping(host),
      Compression: await compressions(warnings),
      Network: { Driver: network?.name ?? "unknown", Reason: network?.reason ?? "" },
    },
  };
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

function textOf(info: Info): string {
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
    ["Control groups", `version ${info.CgroupVersion}, not used`],
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
  const warnings = info.Warnings.map((warning) => `Warning: ${warning}\n`);
  return lines.map(([name, value]) => `${`${name}:`.padEnd(16)}${value}\n`).join("") + warnings.join("");
}
