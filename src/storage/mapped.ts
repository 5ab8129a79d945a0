/**
 * Layers for containers with an id map of their own. What lies on the disk belongs to the ids of the usual map, and no kernel lets an ordinary user
 * shift them at the mount; so layers are made once more for each map, with the owners that the map needs. Since Linux 6.16 that needs no data: files
 * lead overlay to those of the layers that they were made from. But only from one layer, the lowest: so an image's are merged into one, which is
 * named for the topmost of them, under `layers/KIND-merged-ids-HASH`. Before, each is copied, under `layers/KIND-ids-HASH`. Both are shared by
 * all containers with that map, appear by one rename, and go with the layer that they are named for.
 */
import { existsSync, readdirSync, renameSync, statSync, utimesSync } from "node:fs";
import { release } from "node:os";
import { basename, join } from "node:path";
import { callHelper, type TreeChange } from "../helper";
import { type IdRange, type IdRanges, idCount } from "../oci";
import { type Context, makePrivateDirectory } from "../state";
import { makeMappedDirectory } from "./_owner";
import { makeTemporary } from "./_temporary";
import type { Driver } from "./driver";
import { whileKept } from "./garbage";
import { discard, ensureLayersDirectory, layerKind, layersDirectory } from "./layers";

export type MappedLayers = {
  /** Top first. */
  lower: string[];
  /** Where their data is; empty where they have it themselves. */
  data: string[];
};

/** Behind a kind: of layers one by one with their data, and of all layers of an image in one, whose data is in theirs. */
const COPIED = "-ids-";
const MERGED = "-merged-ids-";
const MARK = "-ids-";

/** A start that has just found its layers may not have written its row yet: until then its map counts as used. */
const START_MS = 600_000;

/** The layers LOWER (top first) as RANGES need them. */
export async function mappedLayers(
  context: Context,
  driver: Driver,
  lower: readonly string[],
  ranges: IdRanges,
): Promise<MappedLayers> {
  // where one id is mapped all files belong to it, whatever it is called inside
  if (context.host().kind === "single") return { lower: [...lower], data: [] };
  const [top] = lower;
  if (top === undefined) return { lower: [], data: [] };
  const change = treeChange(context, driver, ranges);
  const isMerged = change.data !== "copy";
  const kind = `${layerKind(context, driver)}${isMerged ? MERGED : COPIED}${nameOf(ranges)}`;
  const directory = layersDirectory(context, kind);
  if (isMerged) {
    const path = join(directory, basename(top));
    if (!existsSync(path))
      await whileKept(context, () =>
        makeLayer(context, kind, { from: top, layers: [...lower] }, path, change),
      );
    touch(context, directory);
    return { lower: [path], data: [...lower] };
  }
  const paths = lower.map((path) => join(directory, basename(path)));
  if (!paths.every((path) => existsSync(path))) {
    await whileKept(context, async () => {
      for (const [at, path] of paths.entries()) {
        if (!existsSync(path)) await makeLayer(context, kind, { from: lower[at] ?? "" }, path, change);
      }
    });
  }
  touch(context, directory);
  return { lower: paths, data: [] };
}

/** Say that a start needs the layers in DIRECTORY now. */
function touch(context: Context, directory: string): void {
  const now = context.now() / 1000;
  utimesSync(directory, now, now);
}

/** How a tree of the usual map's has to change for RANGES. */
export function treeChange(context: Context, driver: Driver, ranges: IdRanges): TreeChange {
  const root = (kind: "uid" | "gid") =>
    ranges[kind].find(({ containerID }) => containerID === 0)?.parentID ?? 0;
  return {
    owners: { uid: ranges.uid.map(lineOf), gid: ranges.gid.map(lineOf) },
    rootUid: root("uid"),
    rootGid: root("gid"),
    data:
      driver.name === "overlay" && canRedirect()
        ? isWhole(context, ranges)
          ? "redirect"
          : "redirect-public"
        : "copy",
  };
}

function lineOf({ containerID, parentID, size }: IdRange) {
  return { containerID, hostID: parentID, size };
}

/**
 * Data is read with the rights of the container's root: it has some over files of ids that are in its map only. Where the whole usual map is, it
 * reads everything.
 */
function isWhole(context: Context, ranges: IdRanges): boolean {
  const usual = context.host().mappings;
  const has = (kind: "uid" | "gid"): boolean =>
    ranges[kind].reduce((sum, { size }) => sum + size, 0) === idCount(usual[kind]);
  return has("uid") && has("gid");
}

/** Data-only layers in a user namespace: Linux 6.16. */
function canRedirect(): boolean {
  const [major = 0, minor = 0] = release().split(/[.-]/).map(Number);
  return major > 6 || (major === 6 && minor >= 16);
}

function nameOf(ranges: IdRanges): string {
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(ranges)).digest("hex").slice(0, 16);
}

async function makeLayer(
  context: Context,
  kind: string,
  what: { from: string; layers?: string[] },
  to: string,
  change: TreeChange,
): Promise<void> {
  const temporary = makeTemporary(ensureLayersDirectory(context, kind));
  try {
    makeMappedDirectory(context, temporary.path, 0o755);
    const { mappings } = context.host();
    await callHelper(context.paths.cache, "copy-tree", { ...what, to: temporary.path, mappings, change });
    (await import("./unsynced")).noteUnsynced(context, kind, basename(to));
    try {
      renameSync(temporary.path, to);
    } catch (error) {
      // somebody else has made the same layer meanwhile; ours is thrown away
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== "EEXIST" && code !== "ENOTEMPTY") throw error;
    }
  } finally {
    await discard(context, temporary);
  }
}

/** Give what an overlay writes to to the container's root, where the helper cannot because the caller is not in its map. */
export async function giveWritable(
  context: Context,
  paths: readonly string[],
  root: { uid: number; gid: number },
): Promise<void> {
  const { mappings } = context.host();
  await Promise.all(
    paths.map((path) => callHelper(context.paths.cache, "chown-tree", { path, ...root, mappings })),
  );
}

/**
 * Put layers that were made for maps aside which no container has any more, to be removed with what is abandoned.
 *
 * @param used the maps of all containers
 */
export function forgetMappedLayers(context: Context, used: readonly IdRanges[]): void {
  const names = new Set(used.map(nameOf));
  for (const kind of kindsIn(context)) {
    const name = kind.slice(kind.indexOf(MARK) + MARK.length);
    const isUsed =
      names.has(name) || context.now() - statSync(layersDirectory(context, kind)).mtimeMs < START_MS;
    if (isUsed) continue;
    for (const layer of readdirSync(layersDirectory(context, kind))) {
      if (layer.startsWith("tmp-")) continue;
      const temporary = makeTemporary(layersDirectory(context, kind));
      renameSync(join(layersDirectory(context, kind), layer), temporary.path);
      temporary.abandon();
    }
  }
}

function kindsIn(context: Context): string[] {
  makePrivateDirectory(context.paths.layers, context.uid);
  return readdirSync(context.paths.layers).filter((kind) => kind.includes(MARK));
}
