/**
 * What a container has left running whose supervisor was killed and whose pid namespace is another's: where it is its own the kernel ends all
 * with the first process, which dies with the supervisor. Elsewhere they are known by their root, which no other container has.
 */
import { closeSync, existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { pidfdOpen, pidfdSendSignal } from "../helper";
import type { RuntimeConfig } from "../oci";
import type { Context } from "../state";
import { CGROUP_ROOT, cgroupVersion } from "./cgroup-version";
import { liveState } from "./live";
import { containerDirectory } from "./places";

/** Kill them, and remove its control group. To be called when the container's lock is free and it has left no record of its end. */
export function killLeftovers(context: Context, id: string): void {
  const linux = linuxOf(context, id);
  killProcesses(id, linux);
  removeGroups(context, id, linux);
}

function killProcesses(id: string, linux: RuntimeConfig["linux"] | null): void {
  const isShared = linux && !linux.namespaces.some(({ type, path }) => type === "pid" && path === undefined);
  if (!isShared) return;
  const mark = `/containers/${id}/`;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || !isRootedAt(name, mark)) continue;
    try {
      const pidfd = pidfdOpen(Number(name));
      // looked at once more now that the number cannot become another's
      if (isRootedAt(name, mark)) pidfdSendSignal(pidfd, constants.signals.SIGKILL);
      closeSync(pidfd);
    } catch {
      // gone meanwhile
    }
  }
}

function linuxOf(context: Context, id: string): RuntimeConfig["linux"] | null {
  try {
    const text = readFileSync(join(containerDirectory(context, id), "config.json"), "utf8");
    return (JSON.parse(text) as RuntimeConfig).linux;
  } catch {
    return null;
  }
}

/** Those that proa made itself: systemd removes a scope that has no processes left. */
function removeGroups(context: Context, id: string, linux: RuntimeConfig["linux"] | null): void {
  const path = linux?.cgroupsPath;
  if (!path?.startsWith("/")) return;
  const live = liveState(context, { id });
  const named = [live?.cgroup ?? "", ...Object.values(live?.cgroups ?? {})].filter((each) => each !== "");
  const groups = new Set(named.map((each) => (each.includes(id) ? each.replace(/\/container$/, "") : each)));
  if (path.includes(id)) {
    const mounts =
      cgroupVersion() === 2
        ? [CGROUP_ROOT]
        : readdirSync(CGROUP_ROOT).map((each) => `${CGROUP_ROOT}/${each}`);
    for (const mount of mounts) groups.add(`${mount}${path}`);
  }
  for (const group of groups) {
    if (group.startsWith(`${CGROUP_ROOT}/`) && !group.split("/").includes("..")) removeGroup(group);
  }
}

const DYING_MS = 2000; // processes that were killed with the supervisor may be a moment in ending
const LOOK_MS = 5;

/** With all below it; what lives in it is killed. */
function removeGroup(directory: string): void {
  const deadline = performance.now() + DYING_MS;
  while (!isRemoved(directory) && performance.now() < deadline) {
    try {
      writeFileSync(`${directory}/cgroup.kill`, "1");
    } catch {
      // version 1, or a kernel before 5.14: they die with their first process
    }
    Bun.sleepSync(LOOK_MS);
  }
}

function isRemoved(directory: string): boolean {
  if (!existsSync(directory)) return true;
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true }))
      if (entry.isDirectory()) isRemoved(join(directory, entry.name));
    rmdirSync(directory);
    return true;
  } catch {
    return !existsSync(directory);
  }
}

/** proc_pid_mountinfo(5): field 5 is where, and the layers are named in the line. */
function isRootedAt(pid: string, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, "utf8")
      .split("\n")
      .some((line) => line.split(" ")[4] === "/" && line.includes(mark));
  } catch {
    return false; // gone, or none of ours
  }
}
