/**
 * Room for the last words. On a disk that is full not even a row can be deleted, and so nothing could ever be freed. A file beside the database
 * keeps the blocks that this needs: commands that free space give it up first, and make it again when they are through.
 */
import { existsSync, unlinkSync, writeFileSync } from "node:fs";
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
  if (existsSync(path)) return;
  for (const size of reserveBytes) {
    try {
      writeFileSync(path, Buffer.alloc(size), { mode: 0o600, flag: "wx" });
      return;
    } catch {
      giveUp(path); // a part of it may be of no use, and the next command tries again
    }
  }
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

function giveUp(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // it was never there
  }
}
