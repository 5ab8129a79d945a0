/** Where images and containers lie, and by what they are put together. */
import { HelperError } from "../../helper";
import type { HostFacts, PlaceFacts } from "./facts";
import { fail, ok, type Verdict, warn } from "./finding";

const MIB = 1 << 20;
const GIB = 1 << 30;

export function checkStorageDriver(facts: HostFacts): Verdict {
  const { storage, features } = facts;
  if ("failed" in storage && "failed" in facts.configuration)
    return fail(
      "not known: the configuration cannot be read",
      "no container starts",
      `correct ${facts.configurationFile}`,
    );
  if ("failed" in storage)
    return fail(storage.failed, "no container starts", storage.hint ?? "proa info tells more");
  const { driver, isChosen } = storage.ok;
  const overlay = "ok" in features ? features.ok.overlay : null;
  const why = overlay === null ? "" : `: the kernel's overlay does not work here (${wordsOf(overlay)})`;
  if (driver === "overlay") {
    if (overlay === null || "failed" in features)
      return ok(`overlay, by the kernel${isChosen ? "; you chose it" : ""}`);
    return fail(
      `overlay was chosen${why}`,
      "no container starts",
      "take storage-driver out of config.toml: proa chooses one that works",
    );
  }
  const reason = isChosen && why === "" ? ": you chose it, and the kernel's overlay works here" : why;
  if (driver === "fuse-overlayfs") {
    return warn(
      `fuse-overlayfs${reason}`,
      "files of containers are 2 to 20 times slower",
      isChosen ? "take storage-driver out of config.toml" : overlayMend(facts),
    );
  }
  return warn(
    `${driver}${reason}`,
    "each container is a full copy of its image",
    isChosen && why === ""
      ? "take storage-driver out of config.toml"
      : facts.fuse.program === null
        ? "sudo apt-get install fuse-overlayfs"
        : fuseMend(facts),
  );
}

function wordsOf(facts: ConstructorParameters<typeof HelperError>[1]): string {
  return new HelperError("features", facts).message;
}

/** What keeps the kernel's overlay from working, as far as it is known. */
function overlayMend({ data }: HostFacts): string {
  if (isUnfit(data.fileSystem)) return placeMend(data.fileSystem);
  return "boot a kernel with overlay for user namespaces (5.11 and newer), or let XDG_DATA_HOME be on ext4, xfs or btrfs";
}

/** Whether fuse-overlayfs could take the place of the kernel's overlay. */
export function checkFuse(facts: HostFacts): Verdict {
  const isNeeded = !("ok" in facts.storage) || facts.storage.ok.driver !== "overlay";
  const { program, device } = facts.fuse;
  if (program !== null && device === "usable")
    return ok("fuse-overlayfs is installed, and /dev/fuse is open");
  const why =
    program === null ? "fuse-overlayfs is not installed" : `/dev/fuse is ${wordOfDevice(facts.fuse.device)}`;
  if (!isNeeded) return ok(`not needed (${why})`);
  return warn(
    why,
    "each container is a full copy of its image",
    program === null ? "sudo apt-get install fuse-overlayfs" : fuseMend(facts),
  );
}

function wordOfDevice(device: HostFacts["fuse"]["device"]): string {
  return device === "missing" ? "not there" : "closed to you";
}

function fuseMend({ fuse }: HostFacts): string {
  return fuse.device === "missing" ? "sudo modprobe fuse" : "sudo chmod 0666 /dev/fuse";
}

/** What neither holds owners of other ids nor, all of them, SQLite's locks. */
function isUnfit(fileSystem: string): boolean {
  return /^(nfs4?|cifs|smb3|9p|ceph|vfat|exfat|ntfs3?|fuse\.sshfs|virtiofs)$/.test(fileSystem);
}

function isInMemory(fileSystem: string): boolean {
  return fileSystem === "tmpfs" || fileSystem === "ramfs";
}

function placeMend(fileSystem: string): string {
  return `set XDG_DATA_HOME to a directory that is not on ${fileSystem}`;
}

export function checkDataDirectory({ data, hasEntryTypes, storage, user }: HostFacts): Verdict {
  const where = `${data.path} is on ${data.fileSystem}`;
  if (data.options.includes("ro"))
    return fail(
      `${where}, mounted read-only`,
      "nothing can be pulled, made or started",
      `sudo mount -o remount,rw "$(findmnt -no TARGET -T ${data.path})"`,
    );
  if (data.obstacle !== "")
    return fail(
      `${data.path}: ${data.obstacle}`,
      "nothing can be pulled, made or started",
      obstacleMend(data, user, "XDG_DATA_HOME"),
    );
  if (isUnfit(data.fileSystem))
    return fail(
      where,
      "files of images cannot have their owners there, and locks may not hold",
      placeMend(data.fileSystem),
    );
  if (hasEntryTypes === false)
    return fail(
      `${where}, whose directories do not tell the types of entries (d_type)`,
      "overlay does not hide what an upper layer removes",
      "make the file system again with d_type (mkfs.xfs -n ftype=1)",
    );
  if (isInMemory(data.fileSystem))
    return warn(
      where,
      "images and containers are gone when the machine restarts, and take memory until then",
      placeMend(data.fileSystem),
    );
  if (data.options.includes("noexec") && "ok" in storage && storage.ok.driver === "vfs")
    return fail(
      `${where}, mounted with noexec`,
      "no program of a container can be executed with the storage driver vfs",
      `sudo mount -o remount,exec "$(findmnt -no TARGET -T ${data.path})"`,
    );
  return ok(where);
}

function obstacleMend(
  { path, options }: PlaceFacts,
  user: string,
  variable: "XDG_DATA_HOME" | "XDG_CACHE_HOME",
): string {
  return options.includes("ro")
    ? `set ${variable} to a directory that you can write in`
    : `sudo install -d -m 700 -o ${user} ${path}`;
}

export function checkCacheDirectory({ cache, user }: HostFacts): Verdict {
  if (cache.obstacle !== "")
    return fail(
      `${cache.path}: ${cache.obstacle}`,
      "the helper that starts containers cannot be laid there: no container starts",
      obstacleMend(cache, user, "XDG_CACHE_HOME"),
    );
  if (!cache.options.includes("noexec")) return ok(`programs can be executed in ${cache.path}`);
  return warn(
    `${cache.path} is on ${cache.fileSystem}, mounted with noexec`,
    "each container's supervisor has a copy of its program in memory (5 MB)",
    "set XDG_CACHE_HOME to a directory that programs can be executed in",
  );
}

export const checkDataSpace = ({ data, user }: HostFacts): Verdict =>
  data.obstacle === ""
    ? checkSpace(data, { warn: GIB, fail: 64 * MIB }, "proa system prune")
    : warn(
        `not known: ${data.path} cannot be written in`,
        "nothing can be stored there",
        obstacleMend(data, user, "XDG_DATA_HOME"),
      );

export const checkRuntimeSpace = ({ runtime }: HostFacts): Verdict =>
  checkSpace(runtime, { warn: 16 * MIB, fail: MIB }, `sudo mount -o remount,size=10% ${runtime.path}`);

function checkSpace(place: PlaceFacts, limits: { warn: number; fail: number }, mend: string): Verdict {
  const { path, freeBytes, totalBytes, freeInodes, totalInodes } = place;
  const bytes = `${sizeText(freeBytes)} of ${sizeText(totalBytes)} free in ${path}`;
  const level = (share: number, isLow: boolean, isOut: boolean) => (isOut ? 2 : isLow && share < 0.5 ? 1 : 0);
  const ofBytes = level(freeBytes / totalBytes, freeBytes < limits.warn, freeBytes < limits.fail);
  const ofInodes =
    totalInodes === 0 ? 0 : level(freeInodes / totalInodes, freeInodes < 20_000, freeInodes < 500);
  const worst = Math.max(ofBytes, ofInodes);
  if (worst === 0) return ok(bytes);
  const found =
    ofInodes > ofBytes ? `${freeInodes} of ${totalInodes} files can still be made in ${path}` : bytes;
  const cost = worst === 2 ? "starts and pulls fail" : "soon starts and pulls fail";
  return (worst === 2 ? fail : warn)(found, cost, mend);
}

function sizeText(bytes: number): string {
  if (bytes >= 10 * GIB) return `${Math.floor(bytes / GIB)} GiB`;
  if (bytes >= GIB) return `${(bytes / GIB).toFixed(1)} GiB`;
  if (bytes >= MIB) return `${Math.floor(bytes / MIB)} MiB`;
  return `${Math.floor(bytes / 1024)} KiB`;
}
