/**
 * The journal of events: one JSON object a line in `events.jsonl` of the data directory, appended by one
 * write(2) of whoever did what it tells: commands through emit(), supervisors through `native/journal.c`. So
 * it needs nobody to be there, and outlives every one of them.
 *
 * A file that has grown to JOURNAL_FILE_BYTES becomes `events.jsonl.1`, and that `.2`; what was `.2` is gone.
 * Who renames holds a lock on the file and has seen that it still has its name: two who come at once do not
 * rename twice, and who has the file open meanwhile writes its line into the renamed one, where readers find
 * it. Every record begins with the same bytes, which cannot stand inside of one: after a line that was torn
 * by a full disk or a power cut, reading goes on with the next record.
 */
import { closeSync, constants, fstatSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { flock, LOCK_EX, LOCK_NB, wallClock } from "../helper";
import type { Context } from "./context";

export type EventType =
  | "container"
  | "image"
  | "network"
  | "volume"
  | "daemon"
  | "builder"
  | "plugin"
  | "secret"
  | "config"
  | "pod"
  | "system";

/** What happened, in the words of the Docker Engine API. */
export type Happening = {
  Type: EventType;
  /** Docker's name of the action: `start`, `exec_create: ls -l`, `health_status: healthy`. */
  Action: string;
  /** Whom it happened to; for an image the reference or its digest, for a volume its name. */
  ID: string;
  Attributes?: Record<string, string>;
};

/** How a record begins. Inside of a JSON text quotes are escaped, so it is found nowhere else. */
export const RECORD_START = '{"Type":"';

/** `native/journal.c` has the same. */
const JOURNAL_FILE_BYTES = 8 << 20;
export const JOURNAL_FILES = 3;

/**
 * Tell everybody who listens, now and later. Never fails: what happened has happened, whether or not there is
 * room to write it down.
 */
export function emit(context: Context, happening: Happening): void {
  const { seconds, nanoseconds } = wallClock();
  const { Type, Action, ID, Attributes = {} } = happening;
  const told = JSON.stringify({ Type, Action, Actor: { ID, Attributes }, scope: "local", time: seconds });
  // 19 digits: more than a number of JavaScript holds
  const line = `${told.slice(0, -1)},"timeNano":${seconds}${String(nanoseconds).padStart(9, "0")}}\n`;
  try {
    append(context.paths.events, line);
  } catch {
    // no room, or no data directory: the command itself says so where it matters
  }
}

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

function append(path: string, line: string): void {
  const fd = openSync(path, APPEND, 0o600);
  try {
    if (fstatSync(fd).size >= JOURNAL_FILE_BYTES) rotate(path, fd);
    writeSync(fd, new TextEncoder().encode(line)); // all at once or, on a full disk, in part: never a second part behind another's line
  } finally {
    closeSync(fd);
  }
}

function rotate(path: string, fd: number): void {
  if (!flock(fd, LOCK_EX | LOCK_NB)) return; // another is at it
  if (statSync(path, { throwIfNoEntry: false })?.ino !== fstatSync(fd).ino) return; // another has been
  for (let i = JOURNAL_FILES - 1; i >= 1; i--) {
    try {
      renameSync(i === 1 ? path : `${path}.${i - 1}`, `${path}.${i}`);
    } catch {
      // there are not so many yet
    }
  }
}
