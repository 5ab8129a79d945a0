import { statSync } from "node:fs";
import type { Digest } from "../oci";
import { blobsOfManifest, type Context, manifestsOfImage } from "../state";
import { blobPath } from "../storage";

/** Bytes of an image's blobs as they are stored, compressed layers and documents. */
export function storedBytesOf(context: Context, id: string): number {
  const db = context.db();
  const blobs = new Set(manifestsOfImage(db, id).flatMap((digest) => blobsOfManifest(db, digest)));
  let bytes = 0;
  for (const digest of blobs) {
    bytes += statSync(blobPath(context, digest as Digest), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
