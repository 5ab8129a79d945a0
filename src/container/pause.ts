/** Stopping a container's processes where they are, and letting them go on. The supervisor does it (native/pause.h). */
import { EngineError } from "../error";
import type { ContainerRow, Context } from "../state";
import { notRunning } from "./alive";
import { askSupervisor, FRAME } from "./control";
import { tell } from "./journal";
import { liveState } from "./live";
import { runDirectory } from "./places";

/** Throws `not-running`, and `invalid` where it is so already. */
export async function pauseContainer(context: Context, row: ContainerRow, paused: boolean): Promise<void> {
  const what = paused ? "pause" : "unpause";
  const live = row.status === "running" ? liveState(context, row) : null;
  if (!live) throw notRunning(what, row);
  if (live.status === "restarting")
    throw new EngineError("not-running", what, row.name, "the container is restarting", { exitCode: 1 });
  if ((live.status === "paused") === paused) throw alreadySo(what, row, paused);
  const isDone = await askSupervisor(
    runDirectory(context, row.id),
    paused ? FRAME.PAUSE : FRAME.UNPAUSE,
    undefined,
    what,
  );
  if (!isDone) throw notRunning(what, row);
  tell(context, row, what);
}

function alreadySo(what: string, row: ContainerRow, paused: boolean): EngineError {
  const why = paused ? "the container is already paused" : "the container is not paused";
  return new EngineError("invalid", what, row.name, why, { exitCode: 1 });
}

/** Refuse what a paused container cannot do. */
export function checkNotPaused(context: Context, what: string, row: ContainerRow): void {
  if (row.status !== "running" || liveState(context, row)?.status !== "paused") return;
  throw new EngineError("invalid", what, row.name, "the container is paused", {
    hint: `proa unpause ${row.name}`,
    exitCode: 1,
  });
}
