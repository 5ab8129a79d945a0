import { closeSync } from "node:fs";
import { type Context, isStillAt, makePrivateDirectory, makeRuntimeDirectory, tryLock } from "../state";
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
    if (fd === null || isStillAt(directory, fd)) return fd;
    closeSync(fd); // another process removed it between the two calls
  }
}
