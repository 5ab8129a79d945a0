/**
 * What a kill in the middle of a start or a removal leaves: files without a row. Both are noted first, by an empty file named by the
 * container's id, which goes when rows and files agree again. So the next writer finds what is to be cleared without looking at every container.
 */
import { closeSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Context, containersByIdPrefix, isLocked, makePrivateDirectory } from "../state";
import { lockContainer } from "./lock";
import { containerDirectory, runDirectory } from "./places";
import { removeTrees } from "./trees";

const ID = /^[0-9a-f]{64}$/;

/** A note without files, this old, is of a process that was killed before it made any. */
const FORGOTTEN_MS = 60_000;

const notes = (context: Context): string => join(context.paths.data, "unfinished");

export function noteUnfinished(context: Context, id: string): void {
  makePrivateDirectory(notes(context), context.uid);
  writeFileSync(join(notes(context), id), "", { mode: 0o600 });
}

export function forgetUnfinished(context: Context, id: string): void {
  rmSync(join(notes(context), id), { force: true });
}

/** Clear what is left of starts and removals that will not be finished. Those that are at work hold their container's lock. */
export async function clearUnfinished(context: Context): Promise<void> {
  for (const id of notedIds(context)) {
    if (isLocked(runDirectory(context, id))) continue;
    if (containersByIdPrefix(context.db(), id).length > 0) forgetUnfinished(context, id);
    else await clearAway(context, id);
  }
}

function notedIds(context: Context): string[] {
  try {
    return readdirSync(notes(context)).filter((name) => ID.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function clearAway(context: Context, id: string): Promise<void> {
  const directory = containerDirectory(context, id);
  const isMade = existsSync(directory) || existsSync(runDirectory(context, id));
  if (!isMade && !isOld(context, id)) return; // a start that is about to take its lock
  const lockFd = lockContainer(context, id);
  if (lockFd === null) return;
  try {
    if (existsSync(directory)) await removeTrees(context, [directory]);
    rmSync(runDirectory(context, id), { recursive: true, force: true });
    forgetUnfinished(context, id);
  } finally {
    closeSync(lockFd);
  }
}

function isOld(context: Context, id: string): boolean {
  const note = statSync(join(notes(context), id), { throwIfNoEntry: false });
  return note !== undefined && context.now() - note.mtimeMs > FORGOTTEN_MS;
}
