/** How much a container takes. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { callHelper } from "../helper";
import { type ContainerRow, type Context, imageById } from "../state";
import { containerDirectory } from "./places";

/** Bytes: of what it has written itself, and of all that it sees, its image's included. */
export type ContainerSize = { own: number; all: number };

export async function containerSize(
  context: Context,
  row: Pick<ContainerRow, "id" | "image_id">,
): Promise<ContainerSize> {
  const image = row.image_id === null ? 0 : (imageById(context.db(), row.image_id)?.size_bytes ?? 0);
  const directory = containerDirectory(context, row.id);
  const upper = join(directory, "upper");
  if (existsSync(upper)) {
    const own = await treeSize(context, upper);
    return { own, all: image + own };
  }
  const copy = join(directory, "tree"); // of the whole image, by the driver vfs
  const all = existsSync(copy) ? await treeSize(context, copy) : image;
  return { own: Math.max(0, all - image), all };
}

async function treeSize(context: Context, path: string): Promise<number> {
  const { mappings } = context.host();
  return (await callHelper(context.paths.cache, "tree-size", { path, mappings })).sizeBytes;
}
