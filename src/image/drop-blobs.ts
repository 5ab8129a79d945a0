/** Giving up the compressed layers of images that were pulled: what is unpacked runs without them, and they can be fetched again. */
import { unlinkSync } from "node:fs";
import { chainIdsOf, type Digest, readManifest } from "../oci";
import {
  allImages,
  blobsOfLists,
  type Context,
  insertDropped,
  manifestsOfImage,
  repositoriesOfManifest,
} from "../state";
import {
  blobPath,
  hasBlob,
  readBlob,
  selectDriver,
  settleUnsynced,
  storedBlobs,
  unpackedSize,
  whileAlone,
} from "../storage";
import { configOf } from "./stored";

/**
 * Remove the blobs of layers that are unpacked here and came from a registry. Manifests and configs stay. Blobs that one image needs to be kept (it was made here, or
 * is not unpacked) stay for all.
 *
 * @returns the digests, and the bytes that are free now; null while something is being pulled
 */
export async function dropBlobs(context: Context): Promise<{ removed: string[]; bytes: number } | null> {
  const { driver } = await selectDriver(context);
  settleUnsynced(context, 0); // what is unpacked is all that will be left of them
  return whileAlone(context, () => {
    const db = context.db();
    const droppable = new Set<Digest>();
    const kept = new Set<string>(blobsOfLists(db));
    for (const { id } of allImages(db)) {
      const chain = chainIdsOf(configOf(context, { id }).diffIds);
      for (const digest of manifestsOfImage(db, id) as Digest[]) {
        if (!hasBlob(context, digest)) continue;
        const manifest = readManifest(`read manifest: ${digest}`, readBlob(context, digest));
        if (manifest.kind !== "manifest") continue;
        const isKnown = repositoriesOfManifest(db, digest).some((name) => !name.startsWith("localhost/"));
        for (const [at, layer] of manifest.layers.entries()) {
          const chainId = chain[at];
          const isUnpacked = chainId !== undefined && unpackedSize(context, driver, chainId) !== null;
          (isKnown && isUnpacked ? droppable : kept).add(layer.digest);
        }
      }
    }
    const removed: string[] = [];
    let bytes = 0;
    for (const { digest, sizeBytes } of storedBlobs(context)) {
      if (!droppable.has(digest) || kept.has(digest)) continue;
      insertDropped(db, digest, sizeBytes);
      unlinkSync(blobPath(context, digest));
      removed.push(digest);
      bytes += sizeBytes;
    }
    return { removed, bytes };
  });
}
