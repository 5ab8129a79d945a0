/** New volumes of a container in whose id map the caller is not: they belong to the caller, and its root could not write to them. */
import { readdirSync, statSync } from "node:fs";
import { reasonOf } from "../error";
import { callHelper } from "../helper";
import { type ContainerSpec, type IdRanges, parentOf } from "../oci";
import type { Context } from "../state";
import { mountpointOf, volumeDirectory } from "../volume";

/** Give the empty ones to the container's root. One that holds something stays whose it is: `:U` gives it away. */
export async function giveVolumes(context: Context, spec: ContainerSpec, ranges: IdRanges): Promise<void> {
  const uid = parentOf(ranges.uid, 0);
  const gid = parentOf(ranges.gid, 0);
  const hasCaller = ranges.uid.some(({ parentID }) => parentID === 0);
  if (hasCaller || uid === undefined || gid === undefined) return;
  const { mappings } = context.host();
  for (const { Type, Name } of spec.MountPoints ?? []) {
    if (Type !== "volume" || !isNew(context, mountpointOf(context, Name))) continue;
    try {
      await callHelper(context.paths.cache, "chown-tree", {
        path: volumeDirectory(context, Name),
        uid,
        gid,
        mappings,
      });
    } catch (error) {
      context.warn(`the volume ${Name} cannot be given to the container's root: ${reasonOf(error)}`);
    }
  }
}

function isNew(context: Context, path: string): boolean {
  try {
    return statSync(path).uid === context.uid && readdirSync(path).length === 0;
  } catch {
    return false;
  }
}
