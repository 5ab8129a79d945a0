/** Ending containers: signals to the first process, and waiting for the supervisor's end. */
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { begun } from "../error";
import { pidfdSendSignal, waitReadable } from "../helper";
import type { ContainerSpec } from "../oci";
import { type ContainerRow, type Context, containerSpec, isLocked } from "../state";
import { notRunning, openAlive } from "./alive";
import { askSupervisor, FRAME } from "./control";
import { tell } from "./journal";
import { askForAnotherLife, endRestarts, mayRestart } from "./life";
import { type LiveState, liveState } from "./live";
import { runDirectory } from "./places";
import { signalNumber } from "./signal";
import { readSpec, specOf } from "./spec";

const { SIGKILL, SIGTERM, SIGINT, SIGQUIT } = constants.signals;

/** Who sends one of these wants the container to end, and not to be started again by its policy. Its stop signal is one, too. */
const ENDING = [SIGKILL, SIGTERM, SIGINT, SIGQUIT];

/** Send a signal to the container's first process, whose pid is returned; `waitForKilled()` waits for the end. Throws `not-running`. */
export async function killContainer(context: Context, row: ContainerRow, signal: number): Promise<number> {
  if (row.status !== "running") throw notRunning("kill", row);
  const spec = specOf(context, row);
  const isEnding = ENDING.includes(signal) || signal === signalNumber(spec.StopSignal || "TERM");
  const live = settledLife(context, row);
  const isToEnd = isEnding && live !== null && mayRestart(spec);
  if (isToEnd) await endRestarts(context, row);
  const alive = openAlive(context, row);
  if (!alive && isToEnd) return 0; // between two lives: that was all it took
  if (!alive) throw notRunning("kill", row);
  try {
    tell(context, row, "kill", { signal: String(signal) }, spec); // before the end is told
    if (!pidfdSendSignal(alive.pidfd, signal)) throw notRunning("kill", row);
  } finally {
    closeSync(alive.pidfd);
  }
  if (isEnding) await wake(context, row, live);
  return alive.pid;
}

/** Wait for the end of a container that was sent SIGNAL, where that is one that nobody outlives. */
export function waitForKilled(context: Context, row: ContainerRow, signal: number, pid: number): void {
  if (signal === SIGKILL) waitForEnd(context, row, pid);
}

/**
 * Wait until the supervisor of a container whose first process was PID (0: there was none between two lives) is done. Somebody else's start may take the lock
 * at once: then it lives again as another process, whose end nobody here waits for.
 */
function waitForEnd(context: Context, row: ContainerRow, pid: number): void {
  const done = begun("debug", `wait for the end of container ${row.name}`);
  while (isLocked(runDirectory(context, row.id))) {
    const live = liveState(context, row);
    if (live && live.pid !== 0 && live.pid !== pid) break;
    Bun.sleepSync(END_LOOK_MS);
  }
  done?.("ended");
}

/** One that is paused cannot hear that it is to end. */
async function wake(context: Context, row: ContainerRow, live: LiveState | null): Promise<void> {
  if (live?.status !== "paused") return;
  await askSupervisor(runDirectory(context, row.id), FRAME.UNPAUSE).catch(() => undefined); // it has ended, or was woken by another
}

const UNSETTLED_MS = 5000;
const LOOK_MS = 5;
const END_LOOK_MS = 1; // an end takes a few

/** The live state of one that runs; one that is about to, or that is just being cleared away, is waited for. */
function settledLife(context: Context, row: ContainerRow): LiveState | null {
  const deadline = performance.now() + UNSETTLED_MS;
  for (;;) {
    const live = liveState(context, row);
    const isHeld = isLocked(runDirectory(context, row.id));
    if ((live && isHeld) || !isHeld || performance.now() > deadline) return isHeld ? live : null;
    Bun.sleepSync(LOOK_MS);
  }
}

/** End those that run, without asking, and wait for their ends: they are to be removed. */
export async function killAll(context: Context, rows: ContainerRow[]): Promise<void> {
  const killed = await Promise.all(rows.map((row) => killForGood(context, row)));
  for (const each of killed) if (each) waitForEnd(context, each.row, each.pid);
}

async function killForGood(
  context: Context,
  row: ContainerRow,
): Promise<{ row: ContainerRow; pid: number } | null> {
  const live = settledLife(context, row);
  if (!live) return null;
  const spec = specIfThere(context, row);
  if (spec && mayRestart(spec)) await endRestarts(context, row, true);
  const alive = openAlive(context, row);
  if (alive) {
    tell(context, row, "kill", { signal: String(SIGKILL) }, spec ?? undefined); // before the end is told
    pidfdSendSignal(alive.pidfd, SIGKILL);
    closeSync(alive.pidfd);
  }
  return { row, pid: alive?.pid ?? live.pid };
}

/** Null where another command has just removed it. */
function specIfThere(context: Context, row: ContainerRow): ContainerSpec | null {
  const text = containerSpec(context.db(), row.id);
  return text === null ? null : readSpec(text);
}

export type StopOptions = {
  /** undefined: the container's own, else TERM. */
  signal: number | undefined;
  /** Seconds until KILL; undefined: the container's own; negative: for ever. */
  timeoutSeconds: number | undefined;
};

/** `pidfd` null: it waited for its next start, and ends by having been told so. */
type Stopping = {
  row: ContainerRow;
  spec: ContainerSpec;
  pid: number;
  pidfd: number | null;
  deadline: number;
};

/** Ask containers to end, all at once, and kill those that do not in time. One that is not running is left as it is. */
export async function stopContainers(
  context: Context,
  rows: ContainerRow[],
  options: StopOptions,
): Promise<void> {
  const asked = await Promise.all(rows.map((row) => askToStop(context, row, options)));
  const stopping = asked.flatMap((each) => each ?? []).sort((a, b) => a.deadline - b.deadline);
  try {
    for (const { pidfd, deadline } of stopping) {
      if (pidfd === null || deadline === Number.POSITIVE_INFINITY) continue;
      const left = Math.max(0, deadline - performance.now());
      if (!waitReadable(pidfd, left)) pidfdSendSignal(pidfd, SIGKILL);
    }
    for (const { row, spec, pid, pidfd } of stopping) {
      if (pidfd !== null) waitReadable(pidfd, -1);
      waitForEnd(context, row, pid);
      tell(context, row, "stop", {}, spec);
    }
  } finally {
    for (const { pidfd } of stopping) if (pidfd !== null) closeSync(pidfd);
  }
}

/**
 * End a container and have its own supervisor start it again: one of `--rm`, whose end would remove it. Returns false where it does not live. Throws
 * `not-running` where it has not come back.
 */
export async function restartInPlace(
  context: Context,
  row: ContainerRow,
  options: StopOptions,
): Promise<boolean> {
  const before = row.status === "running" ? settledLife(context, row) : null;
  if (!before || !(await askForAnotherLife(context, row))) return false;
  const stopping = await signalToStop(context, row, specOf(context, row), before, options);
  if (stopping.pidfd !== null) {
    const { pidfd, deadline } = stopping;
    const left = Math.max(0, deadline - performance.now());
    if (!waitReadable(pidfd, Number.isFinite(left) ? left : -1)) pidfdSendSignal(pidfd, SIGKILL);
    waitReadable(pidfd, -1);
    closeSync(pidfd);
  }
  const directory = runDirectory(context, row.id);
  while (isLocked(directory)) {
    const live = liveState(context, row);
    if (live && live.pid !== 0 && live.pid !== before.pid) return true;
    await Bun.sleep(LOOK_MS);
  }
  throw notRunning("restart", row);
}

async function askToStop(
  context: Context,
  row: ContainerRow,
  options: StopOptions,
): Promise<Stopping | null> {
  if (row.status !== "running") return null;
  const live = settledLife(context, row);
  const spec = live && specIfThere(context, row);
  if (!spec) return null;
  if (mayRestart(spec)) await endRestarts(context, row);
  return signalToStop(context, row, spec, live, options);
}

async function signalToStop(
  context: Context,
  row: ContainerRow,
  spec: ContainerSpec,
  live: LiveState,
  options: StopOptions,
): Promise<Stopping> {
  const alive = openAlive(context, row);
  const seconds = options.timeoutSeconds ?? spec.StopTimeout;
  const deadline = seconds < 0 ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000;
  if (!alive) return { row, spec, pid: live.pid, pidfd: null, deadline };
  const signal = options.signal ?? signalNumber(spec.StopSignal || "TERM");
  tell(context, row, "kill", { signal: String(signal) }, spec);
  pidfdSendSignal(alive.pidfd, signal);
  await wake(context, row, live);
  return { row, spec, pid: alive.pid, pidfd: alive.pidfd, deadline };
}
