/** `HostConfig` and `Config` of `GET /containers/{id}/json`: what a spec leaves out is as docker shows it, null in place of an empty list included. */
import { appliedPaths, type ContainerSpec, isolationOf } from "../oci";
import type { Context } from "../state";
import { findCgroups } from "./cgroup-host";

type Json = Record<string, unknown>;

const listOrNull = <T>(list: readonly T[] | undefined | null): readonly T[] | null =>
  list?.length ? list : null;

/** With what is not there left out. */
function present(fields: Json): Json {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => {
      if (value === undefined || value === null || value === "") return false;
      return typeof value !== "object" || Object.keys(value).length > 0;
    }),
  );
}

/** Fields of the Engine API that nothing here ever sets. */
const UNUSED = {
  Cgroup: "",
  Isolation: "",
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
};

const NO_LIMITS = {
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: "",
  BlkioWeight: 0,
  BlkioWeightDevice: [],
  BlkioDeviceReadBps: [],
  BlkioDeviceWriteBps: [],
  BlkioDeviceReadIOps: [],
  BlkioDeviceWriteIOps: [],
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: "",
  CpusetMems: "",
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: null,
  PidsLimit: null,
};

/** @param name the container's */
export function hostConfigJson(context: Context, name: string, spec: ContainerSpec): Json {
  const host = spec.HostConfig;
  const isolation = isolationOf(host);
  const paths = appliedPaths(isolation, host.Privileged);
  const { Tmpfs, Sysctls, Links, Mounts, ...others } = host;
  return {
    ...UNUSED,
    ...NO_LIMITS,
    ...others,
    NetworkMode: host.NetworkMode === "default" ? "bridge" : host.NetworkMode,
    Binds: listOrNull(host.Binds),
    ContainerIDFile: host.ContainerIDFile ?? "",
    VolumeDriver: host.VolumeDriver ?? "",
    VolumesFrom: listOrNull(host.VolumesFrom),
    ConsoleSize: [0, 0],
    CapAdd: listOrNull(host.CapAdd),
    CapDrop: listOrNull(host.CapDrop),
    ExtraHosts: listOrNull(host.ExtraHosts),
    GroupAdd: listOrNull(host.GroupAdd),
    Links: Links ? shownLinks(context, name, Links) : null,
    SecurityOpt: listOrNull(host.SecurityOpt),
    OomScoreAdj: host.OomScoreAdj ?? 0,
    Runtime: host.Runtime || "proa",
    PidMode: isolation.PidMode,
    IpcMode: isolation.IpcMode || "private",
    UTSMode: isolation.UTSMode,
    UsernsMode: isolation.UsernsMode,
    CgroupnsMode: isolation.CgroupnsMode || "private",
    Devices: isolation.Devices,
    DeviceCgroupRules: listOrNull(host.DeviceCgroupRules),
    CgroupMode: isolation.CgroupnsMode || "private",
    CgroupManager: managerOf(context, host),
    Cgroups: host.Cgroups ?? "default",
    CgroupConf: host.CgroupConf ?? null,
    DeviceRequests: listOrNull(isolation.DeviceRequests),
    MaskedPaths: paths.masked,
    ReadonlyPaths: paths.readonly,
    ...present({ Tmpfs, Sysctls, Mounts }),
  };
}

/** podman's names for who makes the group. */
function managerOf(context: Context, host: ContainerSpec["HostConfig"]): string {
  if (host.Cgroups === "disabled") return "none";
  const { manager } = findCgroups({
    env: context.env,
    uid: context.uid,
    wanted: host.CgroupManager ?? context.cgroupManager,
  });
  return manager === "v1" ? "cgroupfs" : manager;
}

function shownLinks(context: Context, name: string, links: readonly string[]): string[] {
  return (require("./links") as typeof import("./links")).shownLinks(context, name, links);
}

/** What of a spec is in no `Config`: proa's own bookkeeping. */
const INTERNAL = [
  "HostConfig",
  "NetworkingConfig",
  "MountPoints",
  "Warnings",
  "UnsetEnv",
  "environmentRules",
];

export function configJson(spec: ContainerSpec): Json {
  const host = spec.HostConfig;
  const config: Json = Object.fromEntries(Object.entries(spec).filter(([key]) => !INTERNAL.includes(key)));
  const { ExposedPorts, StopSignal, ...others } = config;
  return {
    ...others,
    ...present({ ExposedPorts, StopSignal }),
    Cmd: listOrNull(spec.Cmd),
    Entrypoint: listOrNull(spec.Entrypoint),
    Volumes: spec.Volumes && Object.keys(spec.Volumes).length > 0 ? spec.Volumes : null,
    OnBuild: null,
    // podman's
    ...present({
      Annotations: host.Annotations,
      Timezone: host.Timezone,
      Secrets: host.Secrets?.map(({ Name, ID, UID, GID, Mode }) => ({ Name, ID: ID ?? "", UID, GID, Mode })),
      Umask: isolationOf(host).Umask || "0022",
    }),
  };
}
