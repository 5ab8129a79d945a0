/** Ending containers: signals to the first process, and waiting for the supervisor's end. */
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { EngineError } from "../error";
import { pidfdSendSignal, waitReadable } from "../helper";
import { type ContainerRow, type Context, isLocked, waitUnlocked } from "../state";
import { type Alive, notRunning, openAlive } from "./alive";
import { runDirectory } from "./places";
import { specOf } from "./spec";

const SIGNALS = constants.signals as Record<string, number>;
const REALTIME = { RTMIN: 34, RTMAX: 64 }; // signal(7), as glibc numbers them

/** A signal by number or name, with or without SIG, `RTMIN+1` included. Throws `invalid`. */
export function signalNumber(text: string): number {
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= REALTIME.RTMAX) return number;
  }
  const name = text.toUpperCase().replace(/^SIG/, "");
  const known = SIGNALS[`SIG${name}`];
  if (known !== undefined) return known;
  const realtime = /^(RTMIN|RTMAX)([+-]\d{1,2})?$/.exec(name);
  if (realtime) {
    const number = REALTIME[realtime[1] as keyof typeof REALTIME] + Number(realtime[2] ?? 0);
    if (number >= REALTIME.RTMIN && number <= REALTIME.RTMAX) return number;
  }
  throw new EngineError("invalid", "signal", text, "no such signal", {
    hint: "for example TERM, SIGKILL or 15",
  });
}

/** Send a signal to the container's first process. Throws `not-running`. */
export function killContainer(context: Context, row: ContainerRow, signal: number): void {
  const alive = openAlive(context, row);
  if (!alive) throw notRunning("kill", row);
  try {
    if (!pidfdSendSignal(alive.pidfd, signal)) throw notRunning("kill", row);
  } finally {
    closeSync(alive.pidfd);
  }
  if (signal === constants.signals.SIGKILL) waitUnlocked(runDirectory(context, row.id));
}

const UNSETTLED_MS = 5000;
const LOOK_MS = 5;

/** Open one that runs; one that is about to, or that is just being cleared away, is waited for. */
function openSettled(context: Context, row: ContainerRow): Alive | null {
  const deadline = performance.now() + UNSETTLED_MS;
  for (;;) {
    const alive = openAlive(context, row);
    if (alive || !isLocked(runDirectory(context, row.id)) || performance.now() > deadline) return alive;
    Bun.sleepSync(LOOK_MS);
  }
}

/** End those that run, without asking, and wait for their ends. */
export function killAll(context: Context, rows: ContainerRow[]): void {
  const killed = rows.filter((row) => {
    const alive = openSettled(context, row);
    if (!alive) return false;
    pidfdSendSignal(alive.pidfd, constants.signals.SIGKILL);
    closeSync(alive.pidfd);
    return true;
  });
  for (const row of killed) waitUnlocked(runDirectory(context, row.id));
}

export type StopOptions = {
  /** undefined: the container's own, else TERM. */
  signal: number | undefined;
  /** Seconds until KILL; undefined: the container's own; negative: for ever. */
  timeoutSeconds: number | undefined;
};

type Stopping = { row: ContainerRow; pidfd: number; deadline: number };

/** Ask containers to end, all at once, and kill those that do not in time. One that is not running is left as it is. */
export function stopContainers(context: Context, rows: ContainerRow[], options: StopOptions): void {
  const stopping = rows.flatMap((row) => askToStop(context, row, options));
  for (const { row, pidfd, deadline } of stopping) {
    const left = Math.max(0, deadline - performance.now());
    try {
      if (!waitReadable(pidfd, Number.isFinite(left) ? left : -1))
        pidfdSendSignal(pidfd, constants.signals.SIGKILL);
      waitReadable(pidfd, -1);
    } finally {
      closeSync(pidfd);
    }
    waitUnlocked(runDirectory(context, row.id));
  }
}

function askToStop(context: Context, row: ContainerRow, options: StopOptions): Stopping[] {
  const alive = openAlive(context, row);
  if (!alive) return [];
  const spec = specOf(context, row);
  const seconds = options.timeoutSeconds ?? spec.StopTimeout;
  pidfdSendSignal(alive.pidfd, options.signal ?? signalNumber(spec.StopSignal || "TERM"));
  const deadline = seconds < 0 ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000;
  return [{ row, pidfd: alive.pidfd, deadline }];
}
