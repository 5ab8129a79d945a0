/** What images take on the disk: unpacked layers and stored blobs, each once however many images have it. */
import { allBlobUses, allLayerUses, allStoredLayers, artifactBlobs, type Context } from "../state";
import { storedBlobs } from "../storage";
import { type ImageSummary, listImages } from "./list";

export type ImageUse = {
  image: ImageSummary;
  /** Bytes of its layers and blobs: `sharedBytes` and `uniqueBytes` together. */
  allBytes: number;
  /** Bytes that other images have, too. */
  sharedBytes: number;
  uniqueBytes: number;
};

export type ImagesUse = {
  /** Newest first. */
  images: ImageUse[];
  /** Bytes of all, shared ones once, and what belongs to no image. */
  totalBytes: number;
  /** Bytes that would be free without the images that no container was made of. */
  reclaimableBytes: number;
};

/** From rows and the names of the blobs' files: nothing is read or walked. */
export function imagesUse(context: Context): ImagesUse {
  const db = context.db();
  const sizes = new Map<string, number>(
    storedBlobs(context).map(({ digest, sizeBytes }) => [digest, sizeBytes]),
  );
  for (const { chain_id, size_bytes } of allStoredLayers(db)) {
    const key = `layer ${chain_id}`;
    sizes.set(key, (sizes.get(key) ?? 0) + size_bytes); // once a kind
  }
  const users = new Map<string, Set<string>>();
  const use = (key: string, image: string): void => {
    const known = users.get(key);
    if (known === undefined) users.set(key, new Set([image]));
    else known.add(image);
  };
  for (const { digest, image_id } of allBlobUses(db)) use(digest, image_id);
  for (const { chain_id, image_id } of allLayerUses(db)) use(`layer ${chain_id}`, image_id);

  for (const digest of artifactBlobs(db)) if (!users.has(digest)) sizes.delete(digest); // no image's, and no garbage

  const shared = new Map<string, number>();
  const unique = new Map<string, number>();
  const images = listImages(context);
  const active = new Set(images.filter(({ containers }) => containers > 0).map(({ id }) => id));
  let usedBytes = 0;
  for (const [key, of] of users) {
    const bytes = sizes.get(key) ?? 0;
    const into = of.size > 1 ? shared : unique;
    for (const image of of) into.set(image, (into.get(image) ?? 0) + bytes);
    if ([...of].some((image) => active.has(image))) usedBytes += bytes;
  }
  const totalBytes = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  return {
    images: images.map((image) => {
      const sharedBytes = shared.get(image.id) ?? 0;
      const uniqueBytes = unique.get(image.id) ?? 0;
      return { image, sharedBytes, uniqueBytes, allBytes: sharedBytes + uniqueBytes };
    }),
    totalBytes,
    reclaimableBytes: totalBytes - usedBytes,
  };
}
