/**
 * Containers that live in another runtime directory: whoever started them had another XDG_RUNTIME_DIR. Their lock is not where this command
 * looks, and yet they run; their supervisor says where.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type Context, isLocked } from "../state";
import { livesAt, placeFile } from "./places";

/**
 * Look where the container was started last by what it has noted, and in the login's own directory; `runDirectory()` is then its directory. Quick, but misses a
 * directory that was moved, and what an older version has started.
 */
export function foundNearby(context: Context, id: string): boolean {
  const places = [notedPlace(context, id), `${loginDirectory(context)}/containers/${id}`];
  const directory = places.find((path) => path !== undefined && isHeld(path));
  if (directory === undefined) return false;
  livesAt(id, directory);
  return true;
}

/** The directories that hold those of these containers: this command's, the login's, and where they were started. */
export function placesOf(context: Context, ids: readonly string[]): string[] {
  const noted = ids.map((id) => notedPlace(context, id)?.slice(0, -id.length - 1));
  const all = [context.paths.running, `${loginDirectory(context)}/containers`, ...noted];
  return [...new Set(all.filter((path) => path !== undefined))];
}

function loginDirectory({ uid }: Context): string {
  return uid === 0 ? "/run/proa" : `/run/user/${uid}/proa`;
}

function notedPlace(context: Context, id: string): string | undefined {
  const file = placeFile(context, id);
  if (!existsSync(file)) return undefined; // the usual case, and an error is dear
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined; // gone meanwhile
  }
}

/**
 * Look for the supervisor of a container whose lock is free here and which has left no record of its end. Where it lives, `runDirectory()` is
 * its directory from now on. Reads all of /proc: for the rare case.
 */
export function foundElsewhere(id: string): boolean {
  const own = userNamespaceOf("self");
  for (const pid of readdirSync("/proc")) {
    // a process of a container may call itself as it likes, but is in another user namespace
    if (!/^\d+$/.test(pid) || !isSupervisorOf(pid, id) || userNamespaceOf(pid) !== own) continue;
    const directory = linksOf(pid).find((path) => path.endsWith(`/containers/${id}`) && isHeld(path));
    if (directory === undefined) continue;
    livesAt(id, directory);
    return true;
  }
  return false;
}

/** native/supervisor.c: it is called so, with the container's id. */
function isSupervisorOf(pid: string, id: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith(`proa-supervise ${id}`);
  } catch {
    return false; // gone meanwhile
  }
}

function userNamespaceOf(pid: string): string {
  return linkAt(`/proc/${pid}/ns/user`);
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // another user's, or gone
  }
}

/** It has its run directory open: that is how it holds the lock. */
function linksOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => linkAt(`/proc/${pid}/fd/${fd}`));
  } catch {
    return []; // another user's, or gone
  }
}

function isHeld(path: string): boolean {
  try {
    return isLocked(path);
  } catch {
    return false; // closed to us: it cannot be spoken with
  }
}
