/**
 * Liveness. A supervisor holds flock(LOCK_EX) on its run directory for as long as it lives: the lock, not a pid, says that a container runs.
 */
import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { begun } from "../error";
import { flock, isDirectoryLocked, LOCK_EX, LOCK_NB, LOCK_SH } from "../helper";

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY;

/** A look by another process holds the lock for microseconds: worth a few tries. */
const TRIES = 20;
const PAUSE_MS = 2;

/** Lock `directory` for a supervisor to come. Returns the descriptor that holds the lock, or null where one lives. */
export function tryLock(directory: string): number | null {
  const fd = openSync(directory, DIRECTORY);
  for (let i = 0; i < TRIES; i++) {
    if (flock(fd, LOCK_EX | LOCK_NB)) return fd;
    Bun.sleepSync(PAUSE_MS);
  }
  closeSync(fd);
  return null;
}

/** Is what `fd` has open the one that has this name? A lock on one that another process has taken away says nothing. */
export function isStillAt(path: string, fd: number): boolean {
  return statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
}

/** Does a process hold the lock of `directory`? No directory, no process. */
export function isLocked(directory: string): boolean {
  return isDirectoryLocked(directory);
}

/** Wait until nobody holds the lock of `directory`, which must be there. */
export function waitUnlocked(directory: string): void {
  let fd: number;
  try {
    fd = openSync(directory, DIRECTORY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  try {
    const done = begun("debug", `wait for the lock of ${directory}`);
    flock(fd, LOCK_SH);
    done?.("free");
  } finally {
    closeSync(fd);
  }
}
