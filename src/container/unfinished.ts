/**
 * What a kill in the middle of a start or a removal leaves: files without a row. Both are noted first, by a file named by the container's
 * id, which goes when rows and files agree again. Whoever works holds the lock of its note: a note that nobody holds is of one that was killed, and
 * the next writer clears what it names, without looking at every container.
 */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { flock, LOCK_EX, LOCK_NB } from "../helper";
import { type Context, containersByIdPrefix, isStillAt, makePrivateDirectory } from "../state";
import { containerDirectory, runDirectory } from "./places";
import { removeTrees } from "./trees";

const ID = /^[0-9a-f]{64}$/;

const notes = (context: Context): string => join(context.paths.data, "unfinished");

/**
 * Work on a container that may end in its middle. `done()` says that rows and files agree; `close()`, to be called in the end, leaves the note
 * to the next writer where that was not said.
 */
export type Unfinished = { done(): void; close(): void };

/** `volumes`: names of those that are made or removed with it. */
export function noteUnfinished(context: Context, id: string, volumes: readonly string[] = []): Unfinished {
  const path = join(notes(context), id);
  for (;;) {
    const fd = openNote(context, path);
    flock(fd, LOCK_EX); // somebody may be looking at it, for a moment
    if (!isStillAt(path, fd)) {
      closeSync(fd); // and took it for one that is forgotten
      continue;
    }
    if (volumes.length > 0) writeFileSync(path, volumes.join("\n"));
    let isHeld = true;
    const close = (): void => {
      if (isHeld) closeSync(fd);
      isHeld = false;
    };
    return {
      done: () => {
        rmSync(path, { force: true });
        close();
      },
      close,
    };
  }
}

function openNote(context: Context, path: string): number {
  try {
    return openSync(path, "w", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    makePrivateDirectory(notes(context), context.uid);
    return openSync(path, "w", 0o600);
  }
}

/** Clear what is left of starts and removals that will not be finished. */
export async function clearUnfinished(context: Context): Promise<void> {
  for (const id of notedIds(context)) {
    const fd = openIfThere(join(notes(context), id));
    if (fd === null) continue;
    try {
      // the lock of a note that another has taken away says nothing: the container may have a new one by now, and be at work
      if (flock(fd, LOCK_EX | LOCK_NB) && isStillAt(join(notes(context), id), fd)) await clear(context, id);
    } finally {
      closeSync(fd);
    }
  }
}

/** How many starts and removals have been killed in their middle. */
export function countUnfinished(context: Context): number {
  return notedIds(context).filter((id) => {
    const fd = openIfThere(join(notes(context), id));
    if (fd === null) return false;
    const isFree = flock(fd, LOCK_EX | LOCK_NB);
    closeSync(fd);
    return isFree;
  }).length;
}

async function clear(context: Context, id: string): Promise<void> {
  if (containersByIdPrefix(context.db(), id).length === 0) {
    const directory = containerDirectory(context, id);
    if (existsSync(directory)) await removeTrees(context, [directory]);
    rmSync(runDirectory(context, id), { recursive: true, force: true });
  }
  const volumes = readFileSync(join(notes(context), id), "utf8")
    .split("\n")
    .filter(Boolean);
  if (volumes.length > 0) await (await import("../volume")).clearUnnamed(context, volumes);
  rmSync(join(notes(context), id), { force: true });
}

function notedIds(context: Context): string[] {
  try {
    return readdirSync(notes(context)).filter((name) => ID.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function openIfThere(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
