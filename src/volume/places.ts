/** Where the files of volumes lie. */
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Mappings } from "../helper";
import type { Context } from "../state";

export function volumesDirectory(context: Context): string {
  return join(context.paths.data, "volumes");
}

/** Holds `_data`, and while it is filled the copy that is being made. */
export function volumeDirectory(context: Context, name: string): string {
  return join(volumesDirectory(context), name);
}

/** What containers see. */
export function mountpointOf(context: Context, name: string): string {
  return join(volumeDirectory(context, name), "_data");
}

/** The host's id of an id of the containers', or null where it is not mapped. */
export function hostIdOf(map: Mappings["uid"], id: number): number | null {
  const line = map.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return line === undefined ? null : line.hostID + id - line.containerID;
}

/** A directory that root of the containers may write to: for an ordinary user that is the user. */
export function makeMappedDirectory(context: Context, path: string, mode: number): void {
  mkdirSync(path, { mode });
  chmodSync(path, mode); // whatever the umask
  if (context.uid !== 0) return;
  const { uid, gid } = context.host().mappings;
  chownSync(path, hostIdOf(uid, 0) ?? 0, hostIdOf(gid, 0) ?? 0);
}
