/**
 * Room for the last words. On a disk that is full not even a row can be deleted, and so nothing could ever be freed. A file beside the database
 * keeps the blocks that this needs: commands that free space give it up first, and make it again when they are through.
 */
import { statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "./context";

/** A transaction in the log and the log's index, twice: the log of the one that used it up stays, so that less can be kept again. */
const reserveBytes = [1 << 20, 1 << 19];

function reservePath(data: string): string {
  return join(data, "reserve");
}

/** Lay the reserve by where it is missing. Where there is no room for it, that is so. */
export function layReserve(data: string): void {
  const path = reservePath(data);
  const left = sizeOf(path);
  if (left >= Math.min(...reserveBytes)) return;
  if (left >= 0) giveUp(path);
  for (const size of reserveBytes) {
    try {
      writeFileSync(path, Buffer.alloc(size), { mode: 0o600, flag: "wx" });
      return;
    } catch {
      giveUp(path); // a part of it may be of no use, and the next command tries again
    }
  }
}

/** So much of it is given up for one look at the database: the log's index, and a block or two beside it. */
const lookBytes = 64 << 10;

/** Give a little of the reserve up, so that what is there can be looked at. Returns whether there was any left. */
export function shrinkReserve(data: string): boolean {
  const path = reservePath(data);
  const left = sizeOf(path) - lookBytes;
  if (left < 0) return false;
  giveUp(path);
  try {
    writeFileSync(path, Buffer.alloc(left), { mode: 0o600, flag: "wx" });
  } catch {
    giveUp(path); // somebody else was quicker
  }
  return true;
}

/** Do what frees space: again with the reserve given up where the database could not be written for want of room. */
export async function withReserve<T>(context: Context, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    giveUp(reservePath(context.paths.data));
    return await work();
  } finally {
    layReserve(context.paths.data);
  }
}

/** A full disk shows as either: SQLite cannot always tell what the system said. */
export function isDiskFull(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (/^SQLITE_(FULL|IOERR)|^(ENOSPC|EDQUOT)$/.test(String((at as NodeJS.ErrnoException).code)))
      return true;
  }
  return false;
}

/** -1 where there is none. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? -1;
}

function giveUp(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // it was never there
  }
}
