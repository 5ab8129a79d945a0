/** What lies in the store, by the names of its files. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Digest, isDigest } from "../oci";
import type { Context } from "../state";

export type StoredBlob = { digest: Digest; sizeBytes: number };

/** Every blob's file. Other names are nobody's and are passed over. */
export function storedBlobs(context: Context): StoredBlob[] {
  const root = join(context.paths.images, "blobs");
  return namesIn(root).flatMap((algorithm) =>
    namesIn(join(root, algorithm)).flatMap((hex) => {
      const digest = `${algorithm}:${hex}`;
      const stat = statSync(join(root, algorithm, hex), { throwIfNoEntry: false });
      return stat?.isFile() && isDigest(digest) ? [{ digest, sizeBytes: stat.size }] : [];
    }),
  );
}

export type LayerDirectory = { kind: string; chainId: Digest; path: string };

/** Every unpacked layer's directory, also those made for other id maps. */
export function storedLayers(context: Context): LayerDirectory[] {
  return namesIn(context.paths.layers).flatMap((kind) =>
    namesIn(join(context.paths.layers, kind)).flatMap((hex) => {
      const chainId = `sha256:${hex}`;
      const path = join(context.paths.layers, kind, hex);
      return isDigest(chainId) ? [{ kind, chainId, path }] : [];
    }),
  );
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // nothing has been stored yet
  }
}
