/** A root file system for a container with an id map of its own. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import type { Rootfs } from "../helper";
import { type IdRanges, parentOf } from "../oci";
import type { Context } from "../state";
import type { Driver, RootLayers, RootOptions } from "./driver";
import { giveWritable, mappedLayers, treeChange } from "./mapped";

/** As `prepareRootfs()`, with owners as OPTIONS.ranges need them. */
export async function prepareMappedRootfs(
  context: Context,
  driver: Driver,
  source: RootLayers,
  containerDir: string,
  options: RootOptions,
): Promise<Rootfs> {
  const ranges = options.ranges as IdRanges;
  if (driver.needsParent) {
    // each container has a copy of its own anyway: it is made with these owners
    return driver.prepareRootfs(context, source, containerDir, {
      ...options,
      change: treeChange(context, driver, ranges),
    });
  }
  if (driver.name === "fuse-overlayfs" && !hasCaller(ranges)) {
    throw new EngineError(
      "unsupported",
      "mount root file system",
      "fuse-overlayfs",
      "you are not in the container's id map, and so this program cannot find its files",
      { hint: "use --userns keep-id, or none" },
    );
  }
  const isNew = !existsSync(join(containerDir, "upper"));
  const layers = await layersFor(context, driver, source, ranges);
  const rootfs = await driver.prepareRootfs(context, layers, containerDir, options);
  if (isNew && "upper" in rootfs && !(options.isStart && hasCaller(ranges)))
    await giveWritable(context, [rootfs.upper, rootfs.work], rootOf(ranges));
  return rootfs;
}

async function layersFor(
  context: Context,
  driver: Driver,
  source: RootLayers,
  ranges: IdRanges,
): Promise<RootLayers> {
  if (source.kind === "directory") {
    if (hasCaller(ranges)) return source; // its owners are the host's, and are shown as what they are there
    throw new EngineError(
      "unsupported",
      "use root file system",
      source.path,
      "you are not in the container's id map, and so its files cannot be read",
      {
        hint: "use --userns keep-id, or none",
      },
    );
  }
  return { kind: "image", ...(await mappedLayers(context, driver, source.lower, ranges)) };
}

/** Whether the caller is in the map: then the helper gives away what the caller has made. */
function hasCaller(ranges: IdRanges): boolean {
  const has = (kind: "uid" | "gid") => ranges[kind].some(({ parentID }) => parentID === 0);
  return has("uid") && has("gid");
}

function rootOf(ranges: IdRanges): { uid: number; gid: number } {
  const of = (kind: "uid" | "gid") => parentOf(ranges[kind], 0) ?? ranges[kind][0]?.parentID ?? 0;
  return { uid: of("uid"), gid: of("gid") };
}
