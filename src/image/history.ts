import { type Context, layerSizesOfImage, tagsOfImage } from "../state";
import { millisecondsOf } from "./_rows";
import { familiarName } from "./familiar";
import { configOf, type StoredImage } from "./stored";

/** One step of an image's making. */
export type HistoryLine = {
  /** The image's id on the newest line, "<missing>" on the others: nobody keeps images of steps. */
  id: string;
  createdMs: number;
  createdBy: string;
  /** Bytes of the step's layer, uncompressed; 0 where it made none. */
  sizeBytes: number;
  comment: string;
  tags: string[];
};

/** How the image was made, newest step first. An image without a history has a line a layer. */
export function historyOf(context: Context, image: StoredImage): HistoryLine[] {
  const config = configOf(context, image);
  const sizes = layerSizesOfImage(context.db(), image.id); // lowest first
  const empty = { created: undefined, createdBy: "", author: "", comment: "", emptyLayer: false };
  const steps = config.history.length > 0 ? config.history : sizes.map(() => empty);
  let layer = 0;
  const lines = steps.map((step) => ({
    id: "<missing>",
    createdMs: millisecondsOf(step.created ?? config.created),
    createdBy: step.createdBy,
    sizeBytes: step.emptyLayer ? 0 : (sizes[layer++] ?? 0),
    comment: step.comment,
    tags: [] as string[],
  }));
  const newest = lines.at(-1);
  if (newest !== undefined) {
    newest.id = image.id;
    newest.tags = tagsOfImage(context.db(), image.id).map((tag) => familiarName(tag.name));
  }
  return lines.reverse();
}
