/** The helper's facts in words, with the hints that only a human can follow. */
import { existsSync, readFileSync } from "node:fs";
import { EngineError, wordsOfErrno } from "../error";
import type { Facts } from "./protocol";

/** A failure in the helper. `facts` keep the step, object and errno apart for code to branch on. */
export class HelperError extends EngineError {
  override name = "HelperError";

  constructor(
    readonly verb: string,
    readonly facts: Facts,
  ) {
    super("helper", facts.step, facts.object, reasonOfFacts(verb, facts), {
      exitCode: facts.exit,
      hint: hintFor(facts),
    });
  }
}

/** Whether it failed because nobody reads what it wrote any more. */
export function isBrokenPipe(error: unknown): boolean {
  return error instanceof HelperError && error.facts.errno === "EPIPE";
}

function reasonOfFacts(verb: string, facts: Facts): string {
  if (facts.step === "execute" && facts.exit === 127)
    return verb === "unshare" ? "command not found" : "command not found in the container";
  // The kernel's ENOSPC and EUSERS are of a count here, not of a disk.
  const isLimit = facts.step === "create user namespace" && /^(ENOSPC|EUSERS)$/.test(facts.errno);
  const reason = isLimit ? "the limit of user namespaces is reached" : wordsOfErrno(facts.errno);
  if (reason === "") return facts.detail;
  return facts.detail === "" ? reason : `${reason} (${facts.detail})`;
}

function readSysctl(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8").trim() : "";
}

/**
 * What to type or check for the failures that have a cause outside the engine.
 *
 * @param sysctl reads a file below /proc/sys; "" where this kernel has none
 */
export function hintFor(facts: Facts, sysctl: (path: string) => string = readSysctl): string | undefined {
  const { step, object, errno } = facts;
  if (/^new[ug]idmap$/.test(object)) {
    if (errno === "ENOENT") return "install newuidmap and newgidmap (Debian: apt-get install uidmap)";
    return errno === "EPERM" || errno === "EACCES" ? mapProgramHint(object) : undefined;
  }
  if (step === "map ids of mount")
    return "the kernel lets only who owns a file system show other owners of it: --userns=keep-id keeps yours, and the option U gives the files away";
  if (step === "create bridge" && errno === "EEXIST")
    return "another XDG_DATA_HOME's networks live in this XDG_RUNTIME_DIR: give each an XDG_RUNTIME_DIR of its own";
  if (step === "create user namespace") return userNamespaceHint(facts, sysctl);
  if (step === "ask systemd" || step === "limit" || /control group$/.test(step)) return groupHint(facts);
  if (errno === "ENOSPC" || errno === "EDQUOT") return "free some space, for example with `proa rmi`";
  if (step === "add upper directory") return "choose another driver: --storage-driver fuse-overlayfs, or vfs";
  // AppArmor lets the namespace come into being and takes away what it is made for.
  if ((errno === "EPERM" || errno === "EACCES") && isPrivilegedStep(step) && isRestricted(sysctl))
    return appArmorHint;
  return undefined;
}

/** Of control groups, whose ENOSPC is none of a disk. */
function groupHint({ step, object, errno }: Facts): string | undefined {
  if (step === "ask systemd") {
    if (errno === "ETIMEDOUT") return "systemctl --user list-jobs shows what the service manager is at";
    if (errno === "ECONNREFUSED" || errno === "ENOENT")
      return "systemctl --user status shows whether the service manager runs; loginctl enable-linger has it run without a login";
    return "--cgroups disabled does without control groups, --cgroup-manager cgroupfs without systemd";
  }
  if (step !== "limit") {
    if (errno === "EAGAIN")
      return "the group above has a limit of groups: cgroup.max.descendants, cgroup.max.depth";
    return errno === "EACCES" || errno === "EPERM" || errno === "EROFS"
      ? "proa info tells who makes control groups here; --cgroups disabled does without"
      : undefined;
  }
  if (errno === "EBUSY" && object.startsWith("memory"))
    return "its processes hold more memory than that: end some of them, or choose a higher limit";
  if (errno === "ENOMEM") return "the first process does not fit in: choose a higher limit of memory";
  if (errno === "ENODEV" && object.startsWith("io"))
    return "such limits are for whole disks, not for partitions";
  if (errno === "EINVAL" || errno === "ERANGE") return "the kernel takes no such value";
  return undefined;
}

function mapProgramHint(program: string): string {
  const rights = `${program} has to be setuid root or to have file capabilities, on a file system without nosuid`;
  const ids = "the ids of /etc/subuid and /etc/subgid must exist where proa runs";
  return `${rights} (Debian: apt-get install --reinstall uidmap), and ${ids}`;
}

function isPrivilegedStep(step: string): boolean {
  return /namespace|mount|id map|host name/.test(step);
}

function isRestricted(sysctl: (path: string) => string): boolean {
  return sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1";
}

const appArmorHint =
  "AppArmor restricts user namespaces here; an administrator can allow them: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for proa with `userns,`";

function userNamespaceHint({ errno }: Facts, sysctl: (path: string) => string): string | undefined {
  if (sysctl("/proc/sys/kernel/unprivileged_userns_clone") === "0") {
    return "an administrator can allow it: sysctl -w kernel.unprivileged_userns_clone=1";
  }
  if (sysctl("/proc/sys/user/max_user_namespaces") === "0") {
    return "an administrator can allow it: sysctl -w user.max_user_namespaces=15000";
  }
  if (isRestricted(sysctl)) return appArmorHint;
  if (errno === "ENOSPC" || errno === "EUSERS")
    return "see /proc/sys/user/max_user_namespaces, and how many are in use: lsns -t user";
  return /^(EPERM|EACCES|EINVAL|ENOSYS)$/.test(errno)
    ? "proa needs user namespaces: is it running in a container or sandbox that forbids them?"
    : undefined;
}
