import { readFileSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import { listContainers } from "../../container";
import type { HostMappings } from "../../helper";
import { countImages } from "../../image";
import { selectDriver, zstdVersion } from "../../storage";
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
  KernelVersion: string;
  OperatingSystem: string;
  OSType: string;
  Architecture: string;
  NCPU: number;
  MemTotal: number;
  Name: string;
  ServerVersion: string;
  DockerRootDir: string;
  CgroupDriver: string;
  CgroupVersion: string;
  SecurityOptions: string[];
  Warnings: string[];
  Proa: { Runtime: string; Cache: string; Config: string; IdMapping: string; Compression: string[] };
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
    format: {
      type: "string",
      alias: "f",
      valueHint: "FORMAT",
      value: { suggest: ["json"] },
      description: "json, or a Go template",
    },
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
  const host = context.host();
  const { driver, reason } = await selectDriver(context);
  return {
    Containers: containers.length,
    ContainersRunning: running,
    ContainersPaused: 0,
    ContainersStopped: containers.length - running,
    Images: countImages(context),
    Driver: driver.name,
    DriverStatus: reason === "" ? [] : [["Reason", reason]],
    KernelVersion: release(),
    OperatingSystem: operatingSystem(),
    OSType: "linux",
    Architecture: arch() === "x64" ? "x86_64" : arch() === "arm64" ? "aarch64" : arch(),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    Name: hostname(),
    ServerVersion: version,
    DockerRootDir: context.paths.data,
    CgroupDriver: "none",
    CgroupVersion: readOr("/sys/fs/cgroup/cgroup.controllers", "") === "" ? "1" : "2",
    SecurityOptions: ["name=seccomp,profile=builtin", "name=rootless", "name=userns"],
    Warnings: [host.warning, reason === "" ? undefined : `storage driver ${driver.name}: ${reason}`].filter(
      (line) => line !== undefined,
    ),
    Proa: {
      Runtime: context.paths.runtime,
      Cache: context.paths.cache,
      Config: context.paths.config,
      IdMapping: describeMapping(host),
      Compression: ["gzip", `zstd ${await zstdVersion()}`],
    },
  };
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
