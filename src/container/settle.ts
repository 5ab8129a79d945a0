/**
 * Reconciling rows with what lives. The row of a running container says what was last seen; the lock of its run directory is the truth.
 * Lock free: the supervisor's exit record is folded into the row; no record: it was killed, and the row says so.
 */
import { existsSync, readFileSync } from "node:fs";
import { type ExitRecord, HelperError } from "../helper";
import {
  autoRemovedContainers,
  type ContainerRow,
  type Context,
  clearAllocations,
  deleteContainer,
  isDiskFull,
  isLocked,
  markEnded,
} from "../state";
import { labelsFor, tell } from "./journal";
import { containerDirectory, exitFile, runDirectory } from "./places";
import { deleteWithVolumes } from "./release";
import { removeTrees } from "./trees";
import { clearUnfinished } from "./unfinished";

/** The exit code of a container whose end nobody saw: no status is invented. */
export const EXIT_UNKNOWN = -1;

/** The row as it is true now; null where the container was one of `--rm` and is gone. */
export async function settle(context: Context, row: ContainerRow): Promise<ContainerRow | null> {
  if (row.status !== "running" || isLocked(runDirectory(context, row.id))) return row;
  if (!existsSync(exitFile(context, row.id)) && existsSync(containerDirectory(context, row.id))) {
    // killed, or started with another XDG_RUNTIME_DIR
    const { foundElsewhere, foundNearby } = require("./elsewhere") as typeof import("./elsewhere");
    if (foundNearby(context, row.id) || foundElsewhere(row.id)) return row;
    (require("./leftover") as typeof import("./leftover")).killLeftovers(context, row.id);
  }
  if (row.auto_remove === 1) {
    // its supervisor, which would have removed it and said so, was killed
    const isLeft = existsSync(containerDirectory(context, row.id));
    const spec = isLeft ? labelsFor(context, row.id) : undefined;
    await clearAway(context, row.id);
    if (spec) tell(context, row, "destroy", {}, spec);
    return null;
  }
  const ended = { ...row, ...endOf(context, row) };
  const db = context.db();
  const end = db.transaction(() => {
    const isOurs = markEnded(db, row, {
      status: ended.status as "created" | "exited",
      exitCode: ended.exit_code,
      finishedMs: ended.finished_ms,
      startedMs: ended.started_ms,
      error: ended.error,
      restartCount: ended.restart_count,
      oomKilled: ended.oom_killed,
      health: ended.health,
    });
    if (isOurs) clearAllocations(db, row.id); // else they may be of its next start
    return isOurs;
  });
  try {
    // nobody was there to say it; which status it had is not known
    if (end.immediate() && ended.exit_code === EXIT_UNKNOWN) tell(context, row, "die");
  } catch (error) {
    if (!isDiskFull(error)) throw error; // the record stays, and the next look writes the row
  }
  return ended;
}

/** Rows that are still there, in their order. */
export async function settleAll(context: Context, rows: ContainerRow[]): Promise<ContainerRow[]> {
  if (!rows.some((row) => row.status === "running")) return rows;
  const settled: ContainerRow[] = [];
  for (const row of rows) {
    const lives = row.status !== "running" || isLocked(runDirectory(context, row.id)); // nearly all: waited for nothing
    const now = lives ? row : await settle(context, row);
    if (now) settled.push(now);
  }
  return settled;
}

/** Forget the `--rm` containers that have ended since the last look, and clear what killed commands have left. */
export async function sweep(context: Context): Promise<void> {
  await clearUnfinished(context);
  for (const row of autoRemovedContainers(context.db())) await settle(context, row);
}

/** Remove what a container has left, then its row: a crash in between is repeated by the next look. */
async function clearAway(context: Context, id: string): Promise<void> {
  const left = [containerDirectory(context, id), runDirectory(context, id)].filter((path) =>
    existsSync(path),
  );
  if (left.length > 0) await removeTrees(context, left);
  await deleteWithVolumes(context, [id], () => deleteContainer(context.db(), id));
}

function endOf(context: Context, row: ContainerRow): Partial<ContainerRow> {
  const record = readExitRecord(exitFile(context, row.id));
  if (!record) {
    return {
      status: "exited",
      exit_code: EXIT_UNKNOWN,
      finished_ms: context.now(),
      error: "its supervisor was killed: the exit status is not known",
    };
  }
  const common = {
    exit_code: record.exitCode,
    finished_ms: record.finishedMs,
    ...(record.startedMs > 0 ? { started_ms: record.startedMs } : {}), // of its last life
    restart_count: record.restartCount ?? 0,
    oom_killed: record.oomKilled ? (1 as const) : (0 as const),
    health: record.health ? JSON.stringify(record.health) : "",
  };
  if (!record.error) return { ...common, status: "exited", error: "" };
  const error = new HelperError("run", record.error).message;
  // it lived before: the last restart has failed
  if (record.startedMs > 0) return { ...common, status: "exited", error };
  // never started: it is as it was created, with the reason
  return {
    ...common,
    status: "created",
    started_ms: 0,
    finished_ms: 0,
    error,
  };
}

function readExitRecord(path: string): ExitRecord | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as ExitRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || error instanceof SyntaxError) return null;
    throw error;
  }
}
