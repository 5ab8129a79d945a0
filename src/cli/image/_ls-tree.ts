/** `images --tree`: names, and below each the platform of its image. */
import { type ImageSummary, storedBytesOf } from "../../image";
import type { Context } from "../../state";
import { imageSize } from "../output/size";
import { tableOf } from "../output/table";
import { NONE } from "./_ls-lines";

export function treeOf(context: Context, images: readonly ImageSummary[], noTrunc: boolean): string {
  const rows = images.flatMap((image) => {
    const id = noTrunc ? image.id : image.id.slice("sha256:".length).slice(0, 12);
    const content = imageSize(storedBytesOf(context, image.id));
    const cells = [id, imageSize(image.sizeBytes), content, image.containers > 0 ? "U" : ""];
    const names = image.tags.length > 0 ? image.tags : [NONE];
    return [...names.map((name) => [name, ...cells]), [`└─ ${image.platform}`, ...cells]];
  });
  return tableOf(["IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "EXTRA"], rows);
}
