import { closeSync, existsSync, openSync, readdirSync, renameSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { callHelper, flock, LOCK_EX, LOCK_NB, LOCK_SH } from "../helper";
import type { Digest } from "../oci";
import {
  type Context,
  deleteDropped,
  deleteGarbage,
  deleteLayer,
  hasGarbage,
  insertGarbage,
  takeGarbage,
} from "../state";
import { abandoned, makeTemporary } from "./_temporary";
import { blobPath, ensureLayout, ingestDirectory } from "./content";
import { removeFetchLocks } from "./fetching";
import { layerPath } from "./layers";

/**
 * Removing what nothing refers to. A pull decides early that a blob or a layer need not be fetched, and refers to it only in the end; so
 * whoever adds holds a shared lock meanwhile, and the collector works only when it gets the exclusive one. What it cannot remove now stays
 * on the garbage list for the next one.
 */

function openLock(context: Context): number {
  ensureLayout(context);
  return openSync(join(context.paths.images, "content.lock"), "a", 0o600);
}

/** Run WORK while nothing is removed from the store. */
export async function whileKept<T>(context: Context, work: () => Promise<T>): Promise<T> {
  const fd = openLock(context);
  try {
    while (!flock(fd, LOCK_SH | LOCK_NB)) await Bun.sleep(2); // a collector holds it for some renames
    return await work();
  } finally {
    closeSync(fd);
  }
}

/** Run WORK while nothing is added and no image is being removed; null, and nothing is done, where something is being added. */
export function whileAlone<T>(context: Context, work: () => T): T | null {
  const fd = openLock(context);
  try {
    return flock(fd, LOCK_EX | LOCK_NB) ? work() : null;
  } finally {
    closeSync(fd);
  }
}

/** Remove what is on the garbage list, and temporary files whose writers are gone. Does nothing while something is being added. */
export async function collectGarbage(context: Context): Promise<void> {
  // Who finds the lock taken leaves its garbage to the holder, if that is a collector: so that one looks again when it has given the lock up.
  let hasHidden = false;
  while (tryToHide(context)) {
    hasHidden = true;
    if (!hasGarbage(context.db())) break;
  }
  if (hasHidden) await removeAbandoned(context);
}

/** Returns false where something is being added, or another collector is at work. */
function tryToHide(context: Context): boolean {
  const fd = openLock(context);
  try {
    if (!flock(fd, LOCK_EX | LOCK_NB)) return false;
    hideGarbage(context);
    return true;
  } finally {
    closeSync(fd);
  }
}

/** Take garbage out of sight, which is quick; its trees are removed when the lock is free again. */
function hideGarbage(context: Context): void {
  const rows = takeGarbage(context.db());
  for (const row of rows) {
    if (row.kind === "blob") {
      removeBlob(blobPath(context, row.digest as Digest));
      deleteDropped(context.db(), row.digest);
    } else for (const kind of layerKinds(context)) hideLayer(context, kind, row.digest);
  }
  if (rows.length > 0) deleteGarbage(context.db(), rows);
}

/**
 * To be called before an image's content is written: from here on the collector knows of it, and `insertImage()` takes it off the list. What a
 * failed pull leaves is thus there for another try, until something else has been pulled or removed.
 */
export function announceContent(
  context: Context,
  blobs: readonly Digest[],
  chainIds: readonly Digest[],
): void {
  insertGarbage(context.db(), [
    ...blobs.map((digest) => ({ kind: "blob" as const, digest })),
    ...chainIds.map((digest) => ({ kind: "layer" as const, digest })),
  ]);
}

/** Row first: a directory without a row is nobody's, a row without its directory would be a lie. */
function hideLayer(context: Context, kind: string, chainId: string): void {
  const path = layerPath(context, kind, chainId);
  deleteLayer(context.db(), chainId, kind);
  if (!existsSync(path)) return;
  const temporary = makeTemporary(join(context.paths.layers, kind));
  renameSync(path, temporary.path);
  temporary.abandon();
}

function removeBlob(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Remove what writers that were killed have left, and what `hideGarbage()` has put aside. Safe beside writers that live. */
export async function removeAbandoned(context: Context): Promise<void> {
  ensureLayout(context);
  (await import("./unsynced")).settleUnsynced(context);
  for (const temporary of abandoned(ingestDirectory(context))) {
    removeBlob(temporary.path);
    temporary.release();
  }
  removeFetchLocks(context);
  if (existsSync(join(context.paths.images, "lazy"))) (await import("./lazy")).removeStaleLazy(context);
  for (const kind of layerKinds(context)) {
    for (const temporary of abandoned(join(context.paths.layers, kind))) {
      try {
        if (existsSync(temporary.path)) {
          const { mappings } = context.host();
          await callHelper(context.paths.cache, "remove-tree", { paths: [temporary.path], mappings });
        }
        temporary.release();
      } catch (error) {
        temporary.abandon(); // the next one tries again
        throw error;
      }
    }
  }
}

function layerKinds(context: Context): string[] {
  try {
    return readdirSync(context.paths.layers);
  } catch {
    return []; // no layer yet
  }
}
