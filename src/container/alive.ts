/** The first process of a running container, safe from a number that has been given to another process. */
import { closeSync } from "node:fs";
import { EngineError } from "../error";
import { pidfdOpen } from "../helper";
import { type ContainerRow, type Context, isLocked } from "../state";
import { liveState } from "./live";
import { runDirectory } from "./places";

export type Alive = { pid: number; pidfd: number; startedMs: number };

/**
 * Open the container's first process. The supervisor keeps it unreaped while it holds the lock and state.json names it: if that is so after the
 * pidfd was opened, the pidfd is that process. Null where the container is not running. The caller closes `pidfd`.
 */
export function openAlive(context: Context, row: ContainerRow): Alive | null {
  const directory = runDirectory(context, row.id);
  const state = liveState(context, row);
  if (!state || state.pid === 0) return null; // not started yet, between two lives, or gone
  let pidfd: number;
  try {
    pidfd = pidfdOpen(state.pid);
  } catch {
    return null;
  }
  // one that is started again has another state written before its first process is reaped
  const again = liveState(context, row);
  const isSame = again?.pid === state.pid && again.startedMs === state.startedMs;
  if (isSame && isLocked(directory)) return { pid: state.pid, pidfd, startedMs: state.startedMs };
  closeSync(pidfd);
  return null;
}

export function notRunning(what: string, row: ContainerRow): EngineError {
  const status =
    row.status === "running"
      ? "it waits for its next start, or has just ended"
      : `its status is ${row.status}`;
  const hint = row.error || status;
  return new EngineError("not-running", what, row.name, "the container is not running", {
    exitCode: 1,
    hint,
  });
}
