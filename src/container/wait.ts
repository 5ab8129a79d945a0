/** Waiting for what becomes of a container: its end, or any other condition that it can be in. */
import { EngineError, isNotFound } from "../error";
import { type ContainerRow, type Context, containersByIdPrefix, isLocked, waitUnlocked } from "../state";
import { exchange, type Frame } from "./control";
import { findContainer } from "./find";
import { type LiveState, liveState, shownStatus } from "./live";
import { runDirectory } from "./places";
import { EXIT_UNKNOWN, settle } from "./settle";

const EXIT_FRAME = 33; // of the attach protocol, native/PROTOCOL.md

/**
 * Wait until a container has ended and return its exit status: of the life that it is at, where it is started again by its policy. The supervisor
 * tells it to its clients, so that this works for `--rm` containers too, which leave nothing behind. Throws `internal` where nobody saw the end.
 */
export async function waitForContainer(context: Context, row: ContainerRow): Promise<number> {
  if (row.status === "running") {
    const end = await hearEnd(runDirectory(context, row.id));
    if (end) return new DataView(end.payload.buffer, end.payload.byteOffset).getUint32(0);
    waitUnlocked(runDirectory(context, row.id)); // it was about to end: what it records counts from here on
  }
  const ended = await findContainer(context, "wait", row.id);
  if (ended.exit_code === EXIT_UNKNOWN) {
    throw new EngineError("internal", "wait", row.name, ended.error, { exitCode: 1 });
  }
  return ended.exit_code;
}

const UNHEARD_MS = 5000;
const LOOK_MS = 5;

/** The EXIT frame; null where the supervisor is gone without a word, or cannot be asked. One that has yet to begin is waited for. */
async function hearEnd(directory: string): Promise<Frame | null> {
  const deadline = performance.now() + UNHEARD_MS;
  for (;;) {
    const end = await exchange(directory, null, (type) => type === EXIT_FRAME);
    if (end || !isLocked(directory) || performance.now() > deadline) return end;
    await Bun.sleep(LOOK_MS);
  }
}

/** What can be waited for: docker's words, and podman's. */
export const CONDITIONS = [
  "not-running",
  "next-exit",
  "removed",
  "created",
  "running",
  "paused",
  "restarting",
  "exited",
  "stopped",
  "healthy",
  "unhealthy",
] as const;

export type Condition = (typeof CONDITIONS)[number];

/** podman's names of states that a container here is never seen in, or that are one with another. */
const SAME: Record<string, Condition> = {
  configured: "created",
  initialized: "created",
  removing: "removed",
};

/** @throws `invalid` */
export function parseCondition(text: string): Condition {
  const name = text.toLowerCase();
  const condition =
    CONDITIONS.find((each) => each === name) ?? (Object.hasOwn(SAME, name) ? SAME[name] : undefined);
  if (condition !== undefined) return condition;
  throw new EngineError("invalid", "wait condition", text, `a condition is one of ${CONDITIONS.join(", ")}`);
}

/** What is printed where a condition has no exit status to tell, as podman has it. */
export const NO_EXIT_STATUS = -1;

export type WaitOptions = {
  conditions: readonly Condition[];
  /** Between two looks, where there is nobody who tells. */
  intervalMs: number;
};

/** Wait until one of the conditions is met. Returns the exit status, where the condition is an end. */
export async function waitForCondition(
  context: Context,
  row: ContainerRow,
  options: WaitOptions,
): Promise<number> {
  return Promise.race(
    options.conditions.map((condition) => meet(context, row, condition, options.intervalMs)),
  );
}

function meet(
  context: Context,
  row: ContainerRow,
  condition: Condition,
  intervalMs: number,
): Promise<number> {
  switch (condition) {
    case "not-running":
    case "stopped":
    case "exited":
      return waitForContainer(context, row);
    case "next-exit":
      return nextExit(context, row, intervalMs);
    case "removed":
      return untilRemoved(context, row, intervalMs);
    default:
      return untilShown(context, row, condition, intervalMs);
  }
}

async function nextExit(context: Context, row: ContainerRow, intervalMs: number): Promise<number> {
  for (let now: ContainerRow = row; ; now = await findContainer(context, "wait", row.id)) {
    if (now.status === "running") return waitForContainer(context, now);
    if (now.started_ms !== row.started_ms) return now.exit_code; // it has lived between two looks
    await Bun.sleep(intervalMs);
  }
}

/** The exit status that was last known of it. */
async function untilRemoved(context: Context, row: ContainerRow, intervalMs: number): Promise<number> {
  let status = row.exit_code;
  for (let now: ContainerRow | null = row; now; now = await current(context, row.id)) {
    if (now.status === "running") {
      status = await waitForContainer(context, now).catch((error) => {
        if (isNotFound(error)) return status;
        throw error;
      });
    } else {
      status = now.exit_code;
      await Bun.sleep(intervalMs);
    }
  }
  return status;
}

async function current(context: Context, id: string): Promise<ContainerRow | null> {
  const [row] = containersByIdPrefix(context.db(), id);
  return row ? settle(context, row) : null;
}

async function untilShown(
  context: Context,
  row: ContainerRow,
  condition: Condition,
  intervalMs: number,
): Promise<number> {
  for (let now = row; ; now = await findContainer(context, "wait", row.id)) {
    const live = now.status === "running" ? liveState(context, now) : null;
    if (shownStatus(now, live) === condition || live?.health?.status === condition) return NO_EXIT_STATUS;
    if (condition === "healthy" || condition === "unhealthy") refuseUnchecked(now, live, condition);
    await Bun.sleep(intervalMs);
  }
}

/** Nobody will say that it is healthy. */
function refuseUnchecked(row: ContainerRow, live: LiveState | null, condition: Condition): void {
  if (row.status === "running" && (!live || live.health || live.status === "restarting")) return;
  if (row.status === "created") return; // may be started yet
  const why = row.status === "running" ? "it has no health checks" : "it has ended";
  throw new EngineError("not-running", "wait", row.name, `${why}: it will not be ${condition}`, {
    exitCode: 1,
  });
}
