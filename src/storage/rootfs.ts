import { closeSync, existsSync, openSync } from "node:fs";
import { EngineError } from "../error";
import type { Rootfs } from "../helper";
import { chainIdsOf, type Digest, readManifest } from "../oci";
import { type Context, layersOfImage, manifestsOfImage } from "../state";
import { isOpaque } from "./_opaque";
import { blobPath, hasBlob, readBlob } from "./content";
import type { Driver, RootLayers, RootOptions, RootSource } from "./driver";
import { whileKept } from "./garbage";
import { layerKind, layerPath, unpackBlob } from "./layers";
import { selectDriver } from "./select";

/** From an image or a directory to a root file system that the helper can mount. */

/**
 * Make in CONTAINERDIR (which is there) what the container writes to, and say how its root is mounted. May be called again for the same
 * container: it finds what it wrote.
 *
 * @throws EngineError `not-found` when the image's layers are gone
 */
export async function prepareRootfs(
  context: Context,
  source: RootSource,
  containerDir: string,
  options: RootOptions = {},
): Promise<Rootfs> {
  const { driver } = await selectDriver(context);
  const layers = await rootLayers(context, driver, source, options.isStart === true && !options.ranges);
  if (!options.ranges) return driver.prepareRootfs(context, layers, containerDir, options);
  return (await import("./mapped-root")).prepareMappedRootfs(context, driver, layers, containerDir, options);
}

/** The image's layers found, or the directory as it is. */
export async function rootLayers(
  context: Context,
  driver: Driver,
  source: RootSource,
  mayBeLazy = false,
): Promise<RootLayers> {
  if (source.kind === "directory") return source;
  const { id } = source.image;
  const found = layerPaths(context, driver, id);
  if (mayBeLazy && !found.areThere) {
    const lazy = await (await import("./lazy")).lazyLayers(context, driver, id);
    if (lazy) return { kind: "image", lower: found.paths.toReversed(), lazy };
  }
  return { kind: "image", lower: await directoriesOf(context, driver, id, found) };
}

/**
 * The unpacked layers of an image, top first. Those that are not unpacked for this driver are, from their blobs. What lies below a layer whose own root
 * hides it is left out: overlay looks for the mark on every directory but that.
 */
export async function layerDirectories(context: Context, driver: Driver, imageId: string): Promise<string[]> {
  return directoriesOf(context, driver, imageId, layerPaths(context, driver, imageId));
}

async function directoriesOf(
  context: Context,
  driver: Driver,
  imageId: string,
  found: ReturnType<typeof layerPaths>,
): Promise<string[]> {
  let { rows, paths, areThere } = found;
  if (!areThere) {
    await (await import("./lazy")).awaitLayers(context, driver, imageId);
    ({ rows, paths, areThere } = layerPaths(context, driver, imageId));
  }
  if (!areThere)
    await unpackMissing(
      context,
      driver,
      imageId,
      rows.map((row) => row.diff_id as Digest),
    );
  const topFirst = paths.reverse();
  const last = topFirst.findIndex(isOpaque);
  return last < 0 ? topFirst : topFirst.slice(0, last + 1);
}

/** Where the layers lie, lowest first, and whether all of them do. */
function layerPaths(context: Context, driver: Driver, imageId: string) {
  const kind = layerKind(context, driver);
  const rows = layersOfImage(context.db(), imageId, kind);
  const paths = rows.map((row) => layerPath(context, kind, row.chain_id));
  const areThere = rows.every((row, at) => row.is_present === 1 && existsSync(paths[at] ?? ""));
  return { rows, paths, areThere };
}

/** Layers of another driver's kind, or lost ones. Lowest first: a driver may need the parent. */
async function unpackMissing(
  context: Context,
  driver: Driver,
  imageId: string,
  diffIds: Digest[],
): Promise<void> {
  await whileKept(context, async () => {
    const blobs = layerBlobs(context, imageId, diffIds.length);
    let parent: Digest | undefined;
    for (const [at, chainId] of chainIdsOf(diffIds).entries()) {
      const digest = blobs[at];
      const diffId = diffIds[at];
      if (digest === undefined || diffId === undefined) break; // equally long, by layerBlobs()
      if (!existsSync(layerPath(context, layerKind(context, driver), chainId))) {
        const fd = openSync(blobPath(context, digest), "r");
        try {
          await unpackBlob(context, driver, { chainId, diffId, parent }, fd);
        } finally {
          closeSync(fd);
        }
      }
      parent = chainId;
    }
  });
}

/** The blobs of the image's layers, lowest first, from a manifest whose blobs are all here. */
function layerBlobs(context: Context, imageId: string, count: number): Digest[] {
  for (const digest of manifestsOfImage(context.db(), imageId)) {
    if (!hasBlob(context, digest as Digest)) continue;
    const manifest = readManifest(`read manifest: ${digest}`, readBlob(context, digest as Digest));
    if (manifest.kind !== "manifest" || manifest.layers.length !== count) continue;
    if (manifest.layers.every((layer) => hasBlob(context, layer.digest, layer.size))) {
      return manifest.layers.map((layer) => layer.digest);
    }
  }
  throw new EngineError("not-found", "unpack image", imageId, "its layers are no longer in the store", {
    hint: "pull the image again",
  });
}
