import { closeSync, fstatSync, statSync } from "node:fs";
import { type Context, makePrivateDirectory, makeRuntimeDirectory, tryLock } from "../state";
import { runDirectory } from "./places";

/**
 * Take the lock that says "alive": to start a container, or to be sure that nobody does. Makes the run directory. Returns the descriptor
 * that holds the lock, or null where the container lives.
 */
export function lockContainer(context: Context, id: string): number | null {
  const directory = runDirectory(context, id);
  makeRuntimeDirectory(context.paths, context.uid);
  for (;;) {
    makePrivateDirectory(directory, context.uid, "XDG_RUNTIME_DIR");
    const fd = tryLock(directory);
    if (fd === null || isStillThere(fd, directory)) return fd;
    closeSync(fd); // another process removed it between the two calls
  }
}

function isStillThere(fd: number, path: string): boolean {
  const now = statSync(path, { throwIfNoEntry: false });
  return now !== undefined && now.ino === fstatSync(fd).ino;
}
