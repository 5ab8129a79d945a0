/**
 * Files that are in several layers, stored once: where the file system can share extents (XFS, btrfs, bcachefs), a new layer's files share those of their likes in other layers. Images that
 * are built anew from the same packages have nine tenths of their bytes in common, under other digests. Nothing is shared by hard links: what the vfs driver or a map of ids changes in one layer
 * would change in the other, and overlay's copies would have the wrong link counts.
 */
import { existsSync } from "node:fs";
import { callHelper, fileSystemKind } from "../helper";
import { allStoredLayers, type Context } from "../state";
import { layerPath } from "./layers";

const OTHERS_MOST = 16; // native/share.c
const LEAST_BYTES = 1 << 20; // of a layer that is worth a look
const SHARING = [0x58465342, 0x9123683e, 0xca451a4e]; // XFS, btrfs, bcachefs: linux/magic.h

const fresh = new WeakMap<Context, { kind: string; chainId: string; sizeBytes: number }[]>();

/** Remember a layer that was unpacked just now. */
export function noteFresh(context: Context, kind: string, chainId: string, sizeBytes: number): void {
  if (sizeBytes < LEAST_BYTES) return;
  const known = fresh.get(context) ?? [];
  known.push({ kind, chainId, sizeBytes });
  fresh.set(context, known);
}

/** Share what the layers that were unpacked just now have in common with others. To be called within `whileKept()`. Returns the bytes that were saved. */
export async function shareFresh(context: Context): Promise<number> {
  const layers = fresh.get(context) ?? [];
  fresh.delete(context);
  if (layers.length === 0 || !SHARING.includes(fileSystemKind(context.paths.layers))) return 0;
  const rows = allStoredLayers(context.db());
  const own = new Set(layers.map(({ chainId }) => chainId));
  let saved = 0;
  for (const { kind, chainId, sizeBytes } of layers) {
    // those of about its size come first: other builds of the same
    const distance = (bytes: number) => Math.abs(Math.log(bytes / sizeBytes));
    const others = rows
      .filter((row) => row.kind === kind && row.size_bytes >= LEAST_BYTES && !own.has(row.chain_id))
      .sort((a, b) => distance(a.size_bytes) - distance(b.size_bytes))
      .slice(0, OTHERS_MOST)
      .map((row) => layerPath(context, kind, row.chain_id));
    const layer = layerPath(context, kind, chainId);
    if (others.length === 0 || !existsSync(layer)) continue;
    const request = { layer, others, mappings: context.host().mappings };
    saved += (await callHelper(context.paths.cache, "layer-share", request)).bytes;
  }
  return saved;
}
