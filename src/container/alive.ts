/** The first process of a running container, safe from a number that has been given to another process. */
import { closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { pidfdOpen, type StateRecord } from "../helper";
import { type ContainerRow, type Context, isLocked } from "../state";
import { runDirectory } from "./places";

export type Alive = { pid: number; pidfd: number; startedMs: number };

/**
 * Open the container's first process. The supervisor keeps it unreaped while it holds the lock: if the lock is held after the pidfd
 * was opened, the pidfd is that process. Null where the container is not running. The caller closes `pidfd`.
 */
export function openAlive(context: Context, row: ContainerRow): Alive | null {
  const directory = runDirectory(context, row.id);
  let state: StateRecord;
  try {
    state = JSON.parse(readFileSync(join(directory, "state.json"), "utf8"));
  } catch {
    return null; // not started yet, or gone
  }
  let pidfd: number;
  try {
    pidfd = pidfdOpen(state.pid);
  } catch {
    return null;
  }
  if (isLocked(directory)) return { pid: state.pid, pidfd, startedMs: state.startedMs };
  closeSync(pidfd);
  return null;
}

export function notRunning(what: string, row: ContainerRow): EngineError {
  const hint = row.error || `its status is ${row.status}`;
  return new EngineError("not-running", what, row.name, "the container is not running", {
    exitCode: 1,
    hint,
  });
}
