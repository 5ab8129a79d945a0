/** Removing images that nobody uses. */
import { isNotFound } from "../error";
import { type Context, containersUsingImage, emit, unpackedBytes } from "../state";
import { type ImageSummary, listImages } from "./list";
import { type Removed, removeImage } from "./remove";

export type PruneOptions = {
  /** Those with names, too. */
  all: boolean;
  wanted: (image: ImageSummary) => boolean;
};

/** Remove the images without a name, or all, that no container uses. Returns docker's lines, and the bytes of their layers. */
export async function pruneImages(
  context: Context,
  { all, wanted }: PruneOptions,
): Promise<{ removed: Removed[]; bytes: number }> {
  const removed: Removed[] = [];
  const before = unpackedBytes(context.db());
  for (const image of listImages(context)) {
    if ((!all && image.tags.length > 0) || !wanted(image)) continue;
    if (containersUsingImage(context.db(), image.id).length > 0) continue;
    try {
      removed.push(...(await removeImage(context, image.id, { isForced: true })));
    } catch (error) {
      if (!isNotFound(error)) throw error; // somebody else has removed it meanwhile
    }
  }
  const bytes = before - unpackedBytes(context.db()); // layers that others share are still there
  emit(context, { Type: "image", Action: "prune", ID: "", Attributes: { reclaimed: String(bytes) } });
  return { removed, bytes };
}
