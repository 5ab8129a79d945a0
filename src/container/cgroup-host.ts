/**
 * What control groups this user may make here, and by whom. Read afresh by each command that needs it: a login, a lingering manager or an administrator change it at
 * any time. Names of controllers are those of version 2 (`io` is blkio there before).
 */
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { isUnshared, lgetxattr } from "../helper";
import type { CgroupManagerName } from "../state";
import { CGROUP_ROOT, cgroupVersion, v1Directory } from "./cgroup-version";

/** What limits need. */
export const CONTROLLERS = ["cpu", "cpuset", "io", "memory", "pids"] as const;
export type Controller = (typeof CONTROLLERS)[number];

/** v1: a directory for each controller. 0: none are mounted. */
export type CgroupHost = {
  version: 0 | 1 | 2;
  controllers: Controller[];
} & (
  | { manager: "none"; why: string; mend: string }
  | { manager: "systemd"; bus: string }
  /** BUSY: processes lie in the directory itself, so no controller can be handed on to what is below it. */
  | { manager: "cgroupfs"; parent: string; busy: boolean }
  /** By the controllers' names of version 1. */
  | { manager: "v1"; parents: Record<string, string> }
);

/** Where things are looked for; tests have others. */
export type CgroupPlaces = { root: string; self: string; run: string };

const usualPlaces: CgroupPlaces = { root: CGROUP_ROOT, self: "/proc/self/cgroup", run: "/run" };

export type CgroupAsker = {
  env: Readonly<Record<string, string | undefined>>;
  uid: number;
  /** Undefined: whatever is there. */
  wanted: CgroupManagerName | undefined;
};

export function findCgroups(
  asker: CgroupAsker,
  version: 0 | 1 | 2 = cgroupVersion(),
  places: CgroupPlaces = usualPlaces,
): CgroupHost {
  if (version === 0)
    return none(0, `no control groups are mounted at ${places.root}`, `mount -t cgroup2 none ${places.root}`);
  if (version === 1) return version1(asker, places);
  const systemd = asker.wanted === "cgroupfs" ? null : systemdFor(asker, places);
  if (systemd?.manager === "systemd" || (systemd && asker.wanted === "systemd")) return systemd;
  const parent = delegatedDirectory(places);
  if (parent === null) return systemd ?? none(2, ...withoutDirectory(asker, places));
  const busy = isBusy(parent);
  const enabled = words(`${parent}/cgroup.subtree_control`);
  const controllers = known(busy ? enabled : words(`${parent}/cgroup.controllers`));
  return { version: 2, manager: "cgroupfs", parent, busy, controllers };
}

function none(version: 0 | 1 | 2, why: string, mend: string): CgroupHost {
  return { version, manager: "none", controllers: [], why, mend };
}

function known(names: readonly string[]): Controller[] {
  return CONTROLLERS.filter((name) => names.includes(name));
}

function words(path: string): string[] {
  return read(path).split(/\s+/).filter(Boolean);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The manager of this user, or of the system for root; why there is none. */
function systemdFor(asker: CgroupAsker, { root, run }: CgroupPlaces): CgroupHost {
  const { uid } = asker;
  // the bus is told by whom it is asked, and believes only who is the same on both sides
  if (isUnshared())
    return none(2, "systemd does not take orders from a user namespace", "run it outside of proa unshare");
  if (uid === 0) {
    const bus = `${run}/dbus/system_bus_socket`;
    if (existsSync(`${run}/systemd/system`) && existsSync(bus))
      return { version: 2, manager: "systemd", bus, controllers: known(words(`${root}/cgroup.controllers`)) };
    return none(2, "systemd does not run here, or has no bus", "apt-get install dbus");
  }
  const directories = [`${run}/user/${uid}`, asker.env.XDG_RUNTIME_DIR ?? ""];
  const managed = directories.filter((each) => each !== "" && existsSync(`${each}/systemd/private`));
  const directory = managed.find((each) => existsSync(`${each}/bus`));
  if (directory !== undefined) {
    const service = `${root}/user.slice/user-${uid}.slice/user@${uid}.service`;
    const controllers = known(words(`${service}/cgroup.controllers`));
    return { version: 2, manager: "systemd", bus: `${directory}/bus`, controllers };
  }
  if (managed.length > 0)
    return none(2, "the service manager of this user has no bus", "apt-get install dbus-user-session");
  if (existsSync(`${run}/systemd/system`))
    return none(2, "no service manager runs for this user", `loginctl enable-linger ${uid}`);
  return none(2, ...withoutDirectory(asker, { root, run, self: "" }));
}

function withoutDirectory({ uid }: CgroupAsker, { root }: CgroupPlaces): [why: string, mend: string] {
  const place = `proa-${uid}`;
  const enable = CONTROLLERS.map((name) => `+${name}`).join(" ");
  return [
    "no control group belongs to this user",
    `cd ${root} && echo ${enable} >cgroup.subtree_control && mkdir -p ${place}/shell && chown -R ${uid} ${place} && echo ${process.ppid} >${place}/shell/cgroup.procs`,
  ];
}

/**
 * The highest directory above this process in which groups can be made and processes moved about: as far as it was handed to this user, and no higher than where systemd
 * has handed it over (it marks that), for what is above is systemd's own.
 */
function delegatedDirectory({ root, self }: CgroupPlaces): string | null {
  const own = ownPath(read(self), "");
  if (own === null) return null;
  let found: string | null = null;
  for (let path = own; ; path = path.slice(0, path.lastIndexOf("/"))) {
    const directory = `${root}${path}`;
    if (!isOurs(directory)) return found;
    found = directory;
    if (path === "" || isMarked(directory)) return found;
  }
}

/** From /proc/PID/cgroup: the group below the root of a hierarchy, "" for the root; null where it is not seen from here. CONTROLLER "" is version 2. */
export function ownPath(text: string, controller: string): string | null {
  for (const line of text.split("\n")) {
    const [, controllers = "", path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined || !controllers.split(",").includes(controller)) continue;
    return path.startsWith("/..") ? null : path.replace(/\/$/, "");
  }
  return null;
}

function isOurs(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    accessSync(`${directory}/cgroup.procs`, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function isMarked(directory: string): boolean {
  try {
    return lgetxattr(directory, "user.delegate") !== null;
  } catch {
    return false;
  }
}

/** The root of all, which has no type, may have processes beside groups with controllers. */
function isBusy(directory: string): boolean {
  return existsSync(`${directory}/cgroup.type`) && read(`${directory}/cgroup.procs`).trim() !== "";
}

const V1_NAMES: Record<Controller, string> = {
  cpu: "cpu",
  cpuset: "cpuset",
  io: "blkio",
  memory: "memory",
  pids: "pids",
};

/** Counting and freezing come with no limit, and are used where they are to be had. */
const V1_MORE = ["cpuacct", "freezer"];

function version1({ uid, wanted }: CgroupAsker, { root, self }: CgroupPlaces): CgroupHost {
  if (wanted === "systemd") {
    const why = "systemd makes groups for an ordinary user in version 2 only, and this host has version 1";
    return none(1, why, "systemd.unified_cgroup_hierarchy=1 on the kernel's command line");
  }
  const parents: Record<string, string> = {};
  const groups = read(self);
  for (const name of [...Object.values(V1_NAMES), ...V1_MORE]) {
    const own = ownPath(groups, name);
    const candidates = [v1Directory(name, uid, root), ...(own === null ? [] : [`${root}/${name}${own}`])];
    const found = candidates.find((each) => isWritable(each) && (name !== "cpuset" || isFilled(each)));
    if (found !== undefined) parents[name] = found;
  }
  const controllers = CONTROLLERS.filter((each) => parents[V1_NAMES[each]] !== undefined);
  if (controllers.length > 0) return { version: 1, manager: "v1", controllers, parents };
  return none(1, "this host has control groups of version 1, and none belong to this user", "");
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** A cpuset begins with nothing, and nothing can run in what is below it then. */
function isFilled(directory: string): boolean {
  return read(`${directory}/cpuset.cpus`).trim() !== "" && read(`${directory}/cpuset.mems`).trim() !== "";
}

const DROP_IN = "/etc/systemd/system/user@.service.d";

/** Why a controller is not to be had, and the one command or file that changes it. */
export function reasonFor(
  host: CgroupHost,
  controller: Controller,
  uid: number,
): { why: string; mend: string } {
  if (host.version === 1) return reasonOfVersion1(host, controller, uid);
  switch (host.manager) {
    case "none":
      return { why: host.why, mend: host.mend };
    case "systemd":
      return {
        why: `systemd does not delegate the controller ${controller} to this user`,
        mend: `sudo install -d ${DROP_IN} && printf '[Service]\\nDelegate=${CONTROLLERS.join(" ")}\\n' | sudo tee ${DROP_IN}/delegate.conf && sudo systemctl daemon-reload # and log in anew`,
      };
    case "cgroupfs":
      if (host.busy)
        return {
          why: `the controller ${controller} cannot be handed on in ${host.parent}, which has processes of its own`,
          mend: `mkdir -p ${host.parent}/own && for p in $(cat ${host.parent}/cgroup.procs); do echo $p >${host.parent}/own/cgroup.procs; done`,
        };
      return {
        why: `the controller ${controller} is not delegated to ${host.parent}`,
        mend: `echo +${controller} | sudo tee ${host.parent.slice(0, host.parent.lastIndexOf("/"))}/cgroup.subtree_control`,
      };
    case "v1":
      return reasonOfVersion1(host, controller, uid);
  }
}

function reasonOfVersion1(host: CgroupHost, controller: Controller, uid: number) {
  if (host.manager === "none" && host.mend !== "") return { why: host.why, mend: host.mend };
  const name = V1_NAMES[controller];
  if (!existsSync(`${CGROUP_ROOT}/${name}`))
    return {
      why: `this host has control groups of version 1, and none with the controller ${name}`,
      mend: "systemd.unified_cgroup_hierarchy=1 on the kernel's command line",
    };
  const directory = v1Directory(name, uid);
  const filling = (file: string): string =>
    `cat ${CGROUP_ROOT}/${name}/cpuset.${file} | sudo tee ${directory}/cpuset.${file}`;
  return {
    why: `this host has control groups of version 1, and none with the controller ${name} belongs to this user`,
    mend: [
      `sudo install -d -o ${uid} ${directory}`,
      ...(name === "cpuset" ? ["cpus", "mems"].map(filling) : []),
    ].join(" && "),
  };
}

/** The group of this process, where it may be divided: that it has processes, of which this is one, is no hindrance then. */
export function ownDirectory(places: CgroupPlaces = usualPlaces): string | null {
  const path = cgroupVersion() === 2 ? ownPath(read(places.self), "") : null;
  const directory = `${places.root}${path}`;
  return path !== null && isOurs(directory) ? directory : null;
}

export function splitControllers(): Controller[] {
  const directory = ownDirectory();
  return directory === null ? [] : known(words(`${directory}/cgroup.controllers`));
}
