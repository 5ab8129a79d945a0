/** The options of the driver `local`: what a volume is, beside a directory of its own. */

import { isAbsolute } from "node:path";
import { EngineError } from "../error";

/** How a container mounts a volume. */
export type VolumeKind =
  | { kind: "directory"; options: string[] }
  /** A tmpfs, of each container that mounts it its own. */
  | { kind: "tmpfs"; options: string[] }
  /** A directory of the host. */
  | { kind: "bind"; source: string; options: string[] };

const KNOWN = ["type", "device", "o", "copy", "nocopy"];

/** Of `o`, what the kernel is told of a tmpfs. */
const TMPFS_OPTION =
  /^(size|nr_blocks|nr_inodes|mode|uid|gid|huge)=|^(noatime|nodiratime|relatime|strictatime)$/;

/** Options of a mount itself. */
const MOUNT_OPTION = /^(r?bind|ro|rw|nosuid|suid|nodev|dev|noexec|exec|r?(private|slave|shared))$/;

function refused(what: string, why: string, hint?: string): EngineError {
  return new EngineError("unsupported", "volume option", what, why, { exitCode: 1, hint });
}

function invalid(what: string, why: string): EngineError {
  return new EngineError("invalid", "volume option", what, why, { exitCode: 1 });
}

/**
 * What the options of a volume ask for.
 *
 * @throws EngineError `unsupported` for a file system that needs root, `invalid`
 */
export function kindOf(options: Record<string, string>): VolumeKind {
  for (const name of Object.keys(options)) {
    if (name === "size" || name === "inodes")
      throw refused(
        `${name}=${options[name]}`,
        "a limit of a directory is a project quota, which needs root",
        `for one in memory: --opt type=tmpfs --opt o=size=${options[name]}`,
      );
    if (!KNOWN.includes(name)) throw invalid(name, `unknown; known: ${KNOWN.slice(0, 3).join(", ")}`);
  }
  const { type = "", device = "", o = "" } = options;
  const list = o.split(",").filter(Boolean);
  if (type === "" && device === "" && list.length === 0) return { kind: "directory", options: [] };
  if (type === "tmpfs")
    return { kind: "tmpfs", options: checkedList(list, (each) => TMPFS_OPTION.test(each)) };
  if (type === "bind" || list.includes("bind") || list.includes("rbind")) {
    if (device === "") throw invalid("type=bind", "a device is missing: the directory of the host");
    if (!isAbsolute(device)) throw invalid(`device=${device}`, "the path is not absolute");
    return {
      kind: "bind",
      source: device,
      options: checkedList(list, () => false).filter((each) => !/^r?bind$/.test(each)),
    };
  }
  if (type === "" || type === "none") {
    const options = list.filter((each) => !/^(uid|gid)=\d+$/.test(each));
    if (device === "" && options.every((each) => MOUNT_OPTION.test(each)))
      return { kind: "directory", options };
    throw invalid(`o=${o}`, device === "" ? "a type is missing" : "o=bind or a type is missing");
  }
  const isRemote = /^(nfs4?|cifs|smb3?|ceph|glusterfs|sshfs|fuse.*)$/.test(type);
  throw refused(
    `type=${type}`,
    isRemote
      ? `mounting ${type} needs root on the host`
      : `of file systems only tmpfs and bind can be mounted without root`,
    isRemote
      ? "have it mounted on the host, and bind that directory: --opt type=none --opt o=bind --opt device=PATH"
      : undefined,
  );
}

function checkedList(list: string[], isOwn: (option: string) => boolean): string[] {
  const unknown = list.find((each) => !isOwn(each) && !MOUNT_OPTION.test(each));
  if (unknown !== undefined) throw invalid(`o=${unknown}`, "unknown");
  return list;
}

/** uid and gid in `o` are podman's way to say `--uid` and `--gid`. */
export function ownerOf(options: Record<string, string>): { uid: number | null; gid: number | null } {
  if (options["type"] === "tmpfs") return { uid: null, gid: null }; // the tmpfs's own
  const find = (key: string): number | null => {
    const value = (options["o"] ?? "").split(",").find((each) => each.startsWith(`${key}=`));
    return value === undefined ? null : Number(value.slice(key.length + 1));
  };
  return { uid: find("uid"), gid: find("gid") };
}
