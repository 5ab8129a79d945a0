/** The little that every start asks of control groups. */
import { fileSystemKind } from "../helper";

export const CGROUP_ROOT = "/sys/fs/cgroup";

const CGROUP2 = 0x63677270; // CGROUP2_SUPER_MAGIC of linux/magic.h
const TMPFS = 0x01021994; // what the directories of version 1 are mounted in

/** Which version the host has; 0: none. One system call. */
export function cgroupVersion(): 0 | 1 | 2 {
  const kind = fileSystemKind(CGROUP_ROOT);
  return kind === CGROUP2 ? 2 : kind === TMPFS ? 1 : 0;
}

/** A directory that an administrator made for this user, of one controller of version 1. */
export function v1Directory(name: string, uid: number, root = CGROUP_ROOT): string {
  return `${root}/${name}/proa-${uid}`;
}
