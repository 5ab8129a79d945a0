/**
 * One fetch of a blob at a time, also of several processes: who comes second waits, and then finds it here. The file `ingest/fetch-HEX` is locked by whoever fetches; the
 * kernel drops the lock however that ends.
 */
import { closeSync, constants, openSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { flock, LOCK_EX, LOCK_NB } from "../helper";
import { type Digest, hexOf } from "../oci";
import { type Context, isStillAt } from "../state";
import { ingestDirectory } from "./content";

const PREFIX = "fetch-";
const PAUSE_MS = 20;

/** Run WORK while nobody else fetches the blob. WORK looks again whether there is still something to fetch. Throws the signal's reason. */
export async function whileFetching<T>(
  context: Context,
  digest: Digest,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const path = join(ingestDirectory(context), PREFIX + hexOf(digest));
  for (;;) {
    signal?.throwIfAborted();
    const fd = lock(path);
    if (fd === null) {
      await Bun.sleep(PAUSE_MS);
      continue;
    }
    try {
      return await work();
    } finally {
      unlinkSync(path); // before the lock goes: who waits on this file sees that it has no name any more
      closeSync(fd);
    }
  }
}

/** Remove the lock files of processes that were killed. */
export function removeFetchLocks(context: Context): void {
  const directory = ingestDirectory(context);
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(directory, name);
    const fd = lock(path, 0);
    if (fd === null) continue;
    unlinkSync(path);
    closeSync(fd);
  }
}

/** The descriptor that holds the lock of the file at PATH; null where another holds it. */
function lock(path: string, make = constants.O_CREAT): number | null {
  let fd: number;
  try {
    fd = openSync(path, make | constants.O_RDWR, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null; // somebody has just removed it
    throw error;
  }
  if (flock(fd, LOCK_EX | LOCK_NB) && isStillAt(path, fd)) return fd;
  closeSync(fd);
  return null;
}
