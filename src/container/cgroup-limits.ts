/** A container's limits and its control group, from what was asked for and what this host has. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { EngineError } from "../error";
import type { CgroupRequest } from "../helper";
import {
  type ContainerSpec,
  checkResources,
  type HostConfig,
  isSettable,
  linuxResources,
  type Resources,
} from "../oci";
import type { Context } from "../state";
import type { StartGroup } from "./cgroup";
import {
  type CgroupHost,
  CONTROLLERS,
  type Controller,
  findCgroups,
  ownDirectory,
  reasonFor,
  splitControllers,
} from "./cgroup-host";
import { CGROUP_ROOT } from "./cgroup-version";

/** podman's: what stops a fork bomb, and nothing else. */
const DEFAULT_PIDS = 2048;

/** See `withLimits()`. */
export function limited(context: Context, spec: ContainerSpec): ContainerSpec {
  const asked = spec.HostConfig;
  checkResources(asked, hostResources(asked));
  const host = hostFor(context, asked);
  checkVersion(asked, host);
  if (asked.Cgroups === "disabled") checkDisabled(asked);
  checkParent(asked, host);
  const controllers = controllersOf(asked, host);
  if (host.version !== 0) linuxResources(asked, { version: host.version, controllers, deviceNumber });
  const warnings = warningsFor(asked, host, controllers, context.uid);
  const manager = context.isCgroupManagerAsked ? context.cgroupManager : undefined;
  if (manager !== undefined && host.manager === "none" && asked.Cgroups !== "disabled") {
    if (manager === "systemd") throw noManager(host);
    warnings.push(`--cgroup-manager is ignored: ${host.why}${toChange(host.mend)}`);
  }
  const hasPids = asked.Cgroups !== "disabled" && controllers.includes("pids");
  return {
    ...spec,
    ...(warnings.length > 0 ? { Warnings: [...(spec.Warnings ?? []), ...warnings] } : {}),
    HostConfig: {
      ...asked,
      ...withSwap(asked),
      ...(hasPids && !asked.PidsLimit ? { PidsLimit: DEFAULT_PIDS } : {}),
      ...(manager !== undefined && host.manager !== "none" ? { CgroupManager: manager } : {}),
    },
  };
}

/** docker's: as much swap as memory where it is not said. */
export function withSwap({ Memory = 0, MemorySwap = 0 }: Resources): Pick<Resources, "MemorySwap"> {
  return Memory > 0 && MemorySwap === 0 ? { MemorySwap: Memory * 2 } : {};
}

/** What limits are compared with; the lists are read only where they are needed. */
export function hostResources({ CpusetCpus, CpusetMems }: Resources) {
  const list = (isNeeded: string | undefined, path: string): string => {
    if (!isNeeded) return "";
    try {
      return readFileSync(path, "utf8");
    } catch {
      return "";
    }
  };
  return {
    cpuCount: navigator.hardwareConcurrency,
    cpus: list(CpusetCpus, "/sys/devices/system/cpu/online"),
    memoryNodes: list(CpusetMems, "/sys/devices/system/node/online"),
  };
}

function hostFor(context: Context, { CgroupManager }: Resources): CgroupHost {
  const asked = context.isCgroupManagerAsked ? context.cgroupManager : undefined;
  const wanted = asked ?? CgroupManager ?? context.cgroupManager;
  return findCgroups({ env: context.env, uid: context.uid, wanted });
}

/** What the limits of a container that is there can count on. */
export function controllersFor(context: Context, asked: Resources) {
  const host = hostFor(context, asked);
  return { host, controllers: controllersOf(asked, host) };
}

/** With `--cgroups split` the group is divided that this process is in, whoever is the manager. */
function controllersOf(asked: Resources, host: CgroupHost): readonly Controller[] {
  if (asked.Cgroups === "disabled") return [];
  return asked.Cgroups === "split" ? splitControllers() : host.controllers;
}

function noManager(host: CgroupHost & { manager: "none" }): EngineError {
  return new EngineError("unsupported", "use cgroup manager", "systemd", host.why, {
    hint: host.mend || undefined,
  });
}

/** What version 2 has no file for. */
export function checkVersion(asked: Resources, { version }: CgroupHost): void {
  if (version !== 2) return;
  const refuse = (option: string, why: string): EngineError =>
    new EngineError("unsupported", "option", `--${option}`, why);
  if (asked.OomKillDisable)
    throw refuse("oom-kill-disable", "control groups of version 2 always end what uses up its memory");
  if (asked.CpuRealtimePeriod)
    throw refuse("cpu-rt-period", "control groups of version 2 have no real-time scheduling");
  if (asked.CpuRealtimeRuntime)
    throw refuse("cpu-rt-runtime", "control groups of version 2 have no real-time scheduling");
}

/** Of each field: its option, and the controller that it needs. */
const OPTIONS: readonly (readonly [keyof Resources, string, Controller])[] = [
  ["Memory", "memory", "memory"],
  ["MemoryReservation", "memory-reservation", "memory"],
  ["MemorySwap", "memory-swap", "memory"],
  ["MemorySwappiness", "memory-swappiness", "memory"],
  ["OomKillDisable", "oom-kill-disable", "memory"],
  ["NanoCpus", "cpus", "cpu"],
  ["CpuShares", "cpu-shares", "cpu"],
  ["CpuPeriod", "cpu-period", "cpu"],
  ["CpuQuota", "cpu-quota", "cpu"],
  ["CpuRealtimePeriod", "cpu-rt-period", "cpu"],
  ["CpuRealtimeRuntime", "cpu-rt-runtime", "cpu"],
  ["CpusetCpus", "cpuset-cpus", "cpuset"],
  ["CpusetMems", "cpuset-mems", "cpuset"],
  ["PidsLimit", "pids-limit", "pids"],
  ["BlkioWeight", "blkio-weight", "io"],
  ["BlkioWeightDevice", "blkio-weight-device", "io"],
  ["BlkioDeviceReadBps", "device-read-bps", "io"],
  ["BlkioDeviceWriteBps", "device-write-bps", "io"],
  ["BlkioDeviceReadIOps", "device-read-iops", "io"],
  ["BlkioDeviceWriteIOps", "device-write-iops", "io"],
];

/** Whether a field limits something. A swappiness of 0 does, a number of processes below 0 does not. */
function isAsked(limits: Resources, key: keyof Resources): boolean {
  const value = limits[key];
  if (key === "MemorySwappiness") return typeof value === "number" && value >= 0;
  if (key === "PidsLimit") return typeof value === "number" && value > 0;
  if (Array.isArray(value)) return value.length > 0;
  return Boolean(value);
}

/** The options among these that limit something. */
export function askedOptions(limits: Resources): string[] {
  return OPTIONS.filter(([key]) => isAsked(limits, key)).map(([, option]) => `--${option}`);
}

function checkDisabled(asked: HostConfig): void {
  const [option] = askedOptions(asked);
  if (option === undefined) return;
  const why = "cannot specify resource limits when cgroups are disabled";
  throw new EngineError("invalid", option, "with --cgroups disabled", why);
}

/** A line for each option that has no effect. */
export function warningsFor(
  asked: Resources,
  host: CgroupHost,
  controllers: readonly Controller[],
  uid: number,
): string[] {
  if (asked.Cgroups === "disabled") return [];
  const ignored = (option: string, why: string): string => `--${option} is ignored: ${why}`;
  const without = (controller: Controller): string => {
    const { why, mend } = reasonFor(host, controller, uid);
    return `${why}${toChange(mend)}`;
  };
  const warnings = OPTIONS.filter(([key]) => isAsked(asked, key)).flatMap(([key, option, controller]) => {
    if (!controllers.includes(controller)) return [ignored(option, without(controller))];
    if (key === "MemorySwappiness" && host.version === 2)
      return [ignored(option, "control groups of version 2 have no such setting")];
    return [];
  });
  if (asked.KernelMemory) warnings.push(ignored("kernel-memory", "the kernel has no such limit any more"));
  if (asked.DeviceCgroupRules?.length)
    warnings.push(
      ignored(
        "device-cgroup-rule",
        "an ordinary user cannot change what devices may be opened: the owner and the mode of a device decide",
      ),
    );
  if (host.manager === "none") {
    const why = `${host.why}${toChange(host.mend)}`;
    if (asked.CgroupParent) warnings.push(ignored("cgroup-parent", why));
  }
  for (const key of Object.keys(asked.CgroupConf ?? {})) {
    const name = `cgroup-conf ${key}`;
    if (host.version !== 2) warnings.push(ignored(name, "this host has no control groups of version 2"));
    else if (!isSettable(key, controllers)) {
      const [controller = ""] = key.split(".");
      warnings.push(
        ignored(
          name,
          isController(controller) ? without(controller) : `there is no controller ${controller}`,
        ),
      );
    }
  }
  return warnings;
}

const isController = (name: string): name is Controller => OPTIONS.some(([, , each]) => each === name);

const toChange = (mend: string): string => (mend === "" ? "" : `; to have it: ${mend}`);

function checkParent({ CgroupParent = "" }: HostConfig, { manager }: CgroupHost): void {
  if (CgroupParent === "" || manager === "none") return;
  const isSlice = /(^|\/)[^/]+\.slice$/.test(CgroupParent);
  const refuse = (why: string): EngineError => new EngineError("invalid", "cgroup parent", CgroupParent, why);
  if (manager === "systemd" && !isSlice)
    throw refuse('cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"');
  if (manager !== "systemd" && isSlice)
    throw refuse("it is a slice of systemd, and cgroupfs makes the group");
  if (manager !== "systemd" && CgroupParent.split("/").includes(".."))
    throw refuse("it leads out of where it begins");
}

/** See `groupFor()`. */
export function groupOf(context: Context, id: string, spec: ContainerSpec): StartGroup {
  const asked = spec.HostConfig;
  if (asked.Cgroups === "disabled") return {};
  const host = hostFor(context, asked);
  const isAskedFor = context.isCgroupManagerAsked || asked.CgroupManager !== undefined;
  if (host.manager === "none" && asked.Cgroups !== "split") {
    const wanted = context.cgroupManager ?? asked.CgroupManager;
    if (isAskedFor && wanted === "systemd") throw noManager(host);
    return {};
  }
  const { request, cgroupsPath } = asked.Cgroups === "split" ? splitGroup(id) : groupBy(host, id, asked);
  const controllers = controllersOf(asked, host);
  const version = host.version === 1 ? 1 : 2;
  const resources = linuxResources(asked, { version, controllers, deviceNumber });
  return {
    cgroup: {
      ...request,
      ...(isAskedFor ? { required: true as const } : {}),
      ...(asked.Cgroups === "no-conmon" ? { alone: true as const } : {}),
      ...patienceWith(context, request),
    },
    cgroupsPath,
    ...(resources ? { resources } : {}),
  };
}

function patienceWith(
  { cgroupManagerTimeout }: Context,
  { manager }: CgroupRequest,
): { patienceMs?: number } {
  return manager === "systemd" && cgroupManagerTimeout !== undefined
    ? { patienceMs: cgroupManagerTimeout * 1000 }
    : {};
}

function groupBy(
  host: CgroupHost,
  id: string,
  { CgroupParent = "" }: HostConfig,
): { request: CgroupRequest; cgroupsPath: string } {
  const name = `proa-${id}`;
  switch (host.manager) {
    case "systemd": {
      const slice = CgroupParent.slice(CgroupParent.lastIndexOf("/") + 1);
      return {
        request: { manager: "systemd", bus: host.bus, scope: `${name}.scope`, slice },
        cgroupsPath: `${slice || "user.slice"}:proa:${id}`, // for crun, which refuses to have none named
      };
    }
    case "cgroupfs": {
      const parent = below(host.parent, CGROUP_ROOT, CgroupParent);
      if (CgroupParent !== "") makeParent(parent);
      return {
        request: { manager: "cgroupfs", parent, name, split: false },
        cgroupsPath: pathOf(parent, name),
      };
    }
    case "v1": {
      const parents = Object.fromEntries(
        Object.entries(host.parents).map(([controller, directory]) => [
          controller,
          below(directory, `${CGROUP_ROOT}/${controller}`, CgroupParent),
        ]),
      );
      return { request: { manager: "v1", parents, name }, cgroupsPath: v1Path(parents, name) };
    }
    case "none":
      throw new EngineError("internal", "control group", name, "nobody makes it");
  }
}

/** An absolute parent begins at the root of the hierarchy, another one where groups are made. */
function below(directory: string, root: string, parent: string): string {
  if (parent === "") return directory;
  return `${parent.startsWith("/") ? root : directory}/${parent.replace(/^\/+|\/+$/g, "")}`;
}

/** The directory that the user has named, with what is above it handing on the controllers that it has. */
function makeParent(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new EngineError("io", "make control group", path, error);
  }
  const parts = path.slice(CGROUP_ROOT.length).split("/");
  for (let depth = 1; depth <= parts.length; depth++) {
    for (const controller of CONTROLLERS) {
      try {
        const file = `${CGROUP_ROOT}${parts.slice(0, depth).join("/")}/cgroup.subtree_control`;
        writeFileSync(file, `+${controller}`);
      } catch {
        // not ours to hand on: whether a limit can be had shows where it is written
      }
    }
  }
}

/** Below the mount of a controller. They may lie in different places: then it is that of the first. */
function v1Path(parents: Readonly<Record<string, string>>, name: string): string {
  const [[controller, directory] = ["", ""]] = Object.entries(parents);
  return `${directory.slice(`${CGROUP_ROOT}/${controller}`.length)}/${name}`;
}

function pathOf(parent: string, name: string): string {
  return `${parent.slice(CGROUP_ROOT.length)}/${name}`;
}

function splitGroup(id: string): { request: CgroupRequest; cgroupsPath: string } {
  const parent = ownDirectory();
  if (parent === null)
    throw new EngineError(
      "unsupported",
      "option",
      "--cgroups split",
      "the control group of this process does not belong to you",
      { hint: "systemd-run --user --scope -p Delegate=yes proa run --cgroups split …" },
    );
  const name = `proa-payload-${id}`;
  return { request: { manager: "cgroupfs", parent, name, split: true }, cgroupsPath: pathOf(parent, name) };
}

/** Of a block device. Throws `not-found`, `invalid`. */
export function deviceNumber(path: string): { major: number; minor: number } {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new EngineError("not-found", "limit device", path, "no such file or directory");
  if (!stat.isBlockDevice()) throw new EngineError("invalid", "limit device", path, "it is no block device");
  const { rdev } = stat; // struct dev_t of glibc: 12 bits of the major above 8 of the minor, and the further ones above those
  return {
    major: ((rdev >>> 8) & 0xfff) | (Math.floor(rdev / 2 ** 32) & ~0xfff),
    minor: (rdev & 0xff) | (Math.floor(rdev / 2 ** 12) & 0xffffff00),
  };
}
