/** The layers of an image, and whose last they are. */
import {
  type Context,
  imageById as imageRowById,
  imagesEndingWith,
  imagesUpon,
  layerSizesOfImage,
  layersOfImage,
  tagsOfImage,
} from "../state";
import { familiarName } from "./familiar";
import { notFound, type StoredImage } from "./stored";

export type LayerTree = {
  tags: string[];
  sizeBytes: number;
  /** Lowest first; sizes in bytes, uncompressed. */
  layers: { chainId: string; sizeBytes: number }[];
  /** The images that have all its layers and more. */
  upon: { id: string; tags: string[] }[];
};

export function layerTree(context: Context, image: StoredImage): LayerTree {
  const db = context.db();
  const row = imageRowById(db, image.id);
  if (row === null) throw notFound(image.id);
  const sizes = layerSizesOfImage(db, image.id);
  return {
    tags: tagNames(context, image.id),
    sizeBytes: row.size_bytes,
    layers: layersOfImage(db, image.id, "").map(({ chain_id }, at) => ({
      chainId: chain_id,
      sizeBytes: sizes[at] ?? 0,
    })),
    upon: [...imagesUpon(db, image.id)].sort().map((id) => ({ id, tags: tagNames(context, id) })),
  };
}

/** Names of the images whose last layer it is. */
export function namesOfTop(context: Context, chainId: string): string[] {
  return imagesEndingWith(context.db(), chainId).flatMap((id) => tagNames(context, id));
}

function tagNames(context: Context, id: string): string[] {
  return tagsOfImage(context.db(), id).map((tag) => familiarName(tag.name));
}
