import { closeSync, constants, openSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { flock, LOCK_EX, LOCK_NB } from "../helper";
import { isStillAt } from "../state";

/**
 * Temporary names. Whatever is being written has the name `tmp-…` and beside it `tmp-….lock`, on which its writer holds a lock. The
 * kernel drops the lock however the writer ends, so a name whose lock is free is garbage that anybody may remove.
 */

const prefix = "tmp-";
const lockSuffix = ".lock";

export type Temporary = {
  path: string;
  /** Give the name up; nothing lies at `path` any more. */
  release(): void;
  /** Leave what lies at `path` to whoever cleans up next. */
  abandon(): void;
};

/** A fresh name in DIRECTORY; nothing lies there yet. Throws the system's error. */
export function makeTemporary(directory: string): Temporary {
  for (;;) {
    const name = `${prefix}${Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString("hex")}`;
    const lockPath = join(directory, name + lockSuffix);
    const fd = openSync(lockPath, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600);
    // A cleaner may have come between the two calls: it owns the name now, or has removed the lock already.
    if (!flock(fd, LOCK_EX | LOCK_NB) || !isStillAt(lockPath, fd)) {
      closeSync(fd);
      continue;
    }
    return temporaryOf(join(directory, name), lockPath, fd);
  }
}

/** Temporary names in DIRECTORY that nobody writes to any more. Their locks are held until `release()`. */
export function abandoned(directory: string): Temporary[] {
  const found: Temporary[] = [];
  for (const name of namesIn(directory)) {
    if (!name.startsWith(prefix) || !name.endsWith(lockSuffix)) continue;
    const lockPath = join(directory, name);
    const fd = openOrNull(lockPath);
    if (fd === null) continue;
    if (!flock(fd, LOCK_EX | LOCK_NB)) {
      closeSync(fd);
      continue;
    }
    found.push(temporaryOf(lockPath.slice(0, -lockSuffix.length), lockPath, fd));
  }
  return found;
}

function temporaryOf(path: string, lockPath: string, fd: number): Temporary {
  let isHeld = true;
  const letGo = (before: () => void) => {
    if (!isHeld) return;
    isHeld = false;
    before();
    closeSync(fd);
  };
  return { path, release: () => letGo(() => removeFile(lockPath)), abandon: () => letGo(() => undefined) };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // nothing has been written there yet
  }
}

function openOrNull(path: string): number | null {
  try {
    return openSync(path, constants.O_RDWR);
  } catch {
    return null; // its owner has just finished
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // a cleaner was faster
  }
}
