/**
 * The directories of volumes and their rows, kept in step. A row's directory is made in the transaction that writes the row; a directory is taken
 * out of sight when the transaction that deletes its row is through, under a lock that who makes one takes as well: so the one that is taken away is
 * never its successor. What a kill leaves is a directory without a row, which is nobody's: who makes a volume of that name puts it aside.
 *
 * Order of locks: the database's for writing, then the store's.
 */
import { closeSync, existsSync, openSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { callHelper, flock, LOCK_EX, LOCK_NB } from "../helper";
import { type Context, insertVolume, makePrivateDirectory, type Volume } from "../state";
import { randomVolumeName } from "./name";
import { makeMappedDirectory, volumeDirectory, volumesDirectory } from "./places";

const REMOVED = ".removed-";
const NEW = ".new-";

/** Hold the store's lock: a descriptor to be closed. */
export function lockStore(context: Context): number {
  const path = join(volumesDirectory(context), ".lock");
  let fd: number;
  try {
    fd = openSync(path, "a", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    makePrivateDirectory(volumesDirectory(context), context.uid);
    fd = openSync(path, "a", 0o600);
  }
  flock(fd, LOCK_EX);
  return fd;
}

/** A directory for a volume to come, whose owner is not the containers' root. */
export type Prepared = { path: string; close(): void };

/** Make the directory of a volume whose `_data` belongs to these ids. */
export async function prepareOwned(context: Context, uid: number, gid: number): Promise<Prepared> {
  closeSync(lockStore(context)); // makes the place
  const path = join(volumesDirectory(context), `${NEW}${randomVolumeName().slice(0, 16)}`);
  makeMappedDirectory(context, path, 0o755);
  const fd = openSync(path, "r");
  flock(fd, LOCK_EX); // who clears leaves it alone
  makeMappedDirectory(context, join(path, "_data"), 0o755);
  try {
    const { mappings } = context.host();
    await callHelper(context.paths.cache, "chown-tree", { path: join(path, "_data"), uid, gid, mappings });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { path, close: () => closeSync(fd) };
}

/** To be called in a transaction that writes, which has found no such volume: its directory and its row. */
export function makeVolume(context: Context, volume: Volume, prepared?: Prepared): void {
  const lock = lockStore(context);
  try {
    const path = volumeDirectory(context, volume.name);
    if (existsSync(path)) putAside(context, volume.name);
    if (prepared) {
      renameSync(prepared.path, path);
    } else {
      makeMappedDirectory(context, path, 0o755);
      makeMappedDirectory(context, join(path, "_data"), 0o755);
    }
  } finally {
    closeSync(lock);
  }
  insertVolume(context.db(), volume);
}

/** Take the directory of a volume that has no row any more out of sight; the store's lock is held. */
export function putAside(context: Context, name: string): void {
  const to = join(volumesDirectory(context), `${REMOVED}${randomVolumeName().slice(0, 16)}`);
  try {
    renameSync(volumeDirectory(context, name), to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Remove what has been put aside, by whomever. */
export async function clearAside(context: Context): Promise<void> {
  const paths = namesIn(context)
    .filter((name) => name.startsWith(REMOVED) || (name.startsWith(NEW) && isForgotten(context, name)))
    .map((name) => join(volumesDirectory(context), name));
  if (paths.length === 0) return;
  const { mappings } = context.host();
  await callHelper(context.paths.cache, "remove-tree", { paths, mappings });
}

/** Has who prepares it ended? */
function isForgotten(context: Context, name: string): boolean {
  try {
    const fd = openSync(join(volumesDirectory(context), name), "r");
    try {
      return flock(fd, LOCK_EX | LOCK_NB);
    } finally {
      closeSync(fd);
    }
  } catch {
    return false; // it has got its name, or has been cleared
  }
}

/** Names of the directories of volumes, whether or not they have rows. */
export function storedNames(context: Context): string[] {
  return namesIn(context).filter((name) => !name.startsWith("."));
}

function namesIn(context: Context): string[] {
  try {
    return readdirSync(volumesDirectory(context));
  } catch {
    return []; // no volume yet
  }
}
