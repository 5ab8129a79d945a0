/** What a container that lives is at: what its supervisor keeps in state.json, beside the row that says only that it runs. */
import { readAtOnce, type StateRecord } from "../helper";
import type { ContainerRow, Context } from "../state";
import { liveFile } from "./places";

export type LiveState = StateRecord;

/** What people are shown, in docker's words. */
export type ShownStatus = "created" | "running" | "paused" | "restarting" | "exited";

/**
 * The live state of a container whose row is settled and says "running". Null where there is none: it is just being started, or has just ended.
 * Not to be taken for its pid: see `openAlive()`.
 */
export function liveState(context: Context, row: Pick<ContainerRow, "id">): LiveState | null {
  try {
    return JSON.parse(readAtOnce(liveFile(context, row.id)) ?? "null");
  } catch {
    return null;
  }
}

/** The status that people see. `live`: that of `liveState()`, for a row that says "running". */
export function shownStatus(row: Pick<ContainerRow, "status">, live: LiveState | null): ShownStatus {
  return row.status === "running" && live ? live.status : row.status;
}
