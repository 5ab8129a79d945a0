import { chmodSync, chownSync, mkdirSync } from "node:fs";
import type { Context } from "../state";

/**
 * Make a directory that root of the user namespace can write to. For an ordinary user that is the user itself; where proa runs as the
 * host's root, the container's root is one of its subordinate ids.
 */
export function makeMappedDirectory(context: Context, path: string, mode: number): void {
  mkdirSync(path, { mode });
  chmodSync(path, mode); // whatever the umask
  const [uid, gid] = [rootOf(context, "uid"), rootOf(context, "gid")];
  if (uid !== process.geteuid?.() || gid !== process.getegid?.()) {
    if (process.geteuid?.() === 0) chownSync(path, uid, gid);
  }
}

function rootOf(context: Context, kind: "uid" | "gid"): number {
  return context.host().mappings[kind].find((line) => line.containerID === 0)?.hostID ?? 0;
}
