/** Health checks: what the supervisor is told of them, what it has found, and a check of one's own. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import type { HealthRequest } from "../helper";
import {
  type ContainerSpec,
  checkProgram,
  healthTimes,
  processBase,
  type ResolvedUser,
  rlimitsOf,
} from "../oci";
import type { ContainerRow, Context } from "../state";
import { notRunning } from "./alive";
import { askForCheck } from "./control";
import { maxOpenFiles } from "./limits";
import { liveState } from "./live";
import { runDirectory } from "./places";
import { signalNumber } from "./signal";

/** A `Health` of docker's inspect. */
export type Health = {
  Status: string;
  FailingStreak: number;
  Log: { Start: string; End: string; ExitCode: number; Output: string }[];
};

/** What the supervisor needs; null where the container has no check. The programs run as the container's user. */
export function healthRequest(id: string, spec: ContainerSpec, user: ResolvedUser): HealthRequest | null {
  const shell = spec.Shell ?? [];
  const program = checkProgram(spec.Healthcheck, shell);
  if (program === null) return null;
  const startup = checkProgram(spec.StartupHealthCheck, shell);
  const { regular, startup: startupTimes, logCount, logSizeBytes } = healthTimes(spec);
  const rlimits = rlimitsOf(spec, maxOpenFiles());
  const process = (args: string[]) => ({
    ...processBase(spec, user, false, args, spec.Env),
    cwd: spec.WorkingDir || "/",
    rlimits,
  });
  const destination = spec.HealthLogDestination ?? "local";
  return {
    process: process(program),
    ...regular,
    onFailure: spec.HealthcheckOnFailureAction ?? "none",
    stopSignal: signalNumber(spec.StopSignal || "TERM"),
    stopTimeoutMs: Math.max(0, spec.StopTimeout) * 1000,
    logCount,
    logSizeBytes,
    ...(destination.startsWith("/") ? { logFile: join(destination, `${id}-healthcheck.log`) } : {}),
    ...(destination === "events_logger" ? { logEvents: true } : {}),
    ...(startup ? { startup: { process: process(startup), ...startupTimes } } : {}),
  };
}

/** What the checks have found, in docker's shape: of this life, or of the last one. Undefined where there are none. */
export function healthOf(context: Context, row: ContainerRow, spec: ContainerSpec): Health | undefined {
  if (checkProgram(spec.Healthcheck, spec.Shell ?? []) === null) return undefined;
  if (row.status === "created") return undefined; // as docker has it: there is nothing to tell yet
  const last =
    row.health === "" ? null : (JSON.parse(row.health) as { status: string; failingStreak: number });
  try {
    const kept: Health = JSON.parse(readFileSync(join(runDirectory(context, row.id), "health.json"), "utf8"));
    const live = row.status === "running" ? liveState(context, row)?.health : last;
    return live ? { ...kept, Status: live.status, FailingStreak: live.failingStreak } : kept;
  } catch {
    // not started yet, or the host was, since then: its outputs are gone
    return { Status: last?.status ?? "starting", FailingStreak: last?.failingStreak ?? 0, Log: [] };
  }
}

const OUTCOMES = ["healthy", "unhealthy", "starting"] as const; // by the byte of CHECKED

/** Have the supervisor make a check now. Resolves with what it has found: "starting" for a startup check that fails. Throws `not-running`, `invalid` without a check. */
export async function checkHealthNow(
  context: Context,
  row: ContainerRow,
  spec: ContainerSpec,
): Promise<"healthy" | "unhealthy" | "starting"> {
  if (checkProgram(spec.Healthcheck, spec.Shell ?? []) === null) {
    throw new EngineError("invalid", "healthcheck", row.name, "the container has no health check", {
      hint: "run and create have --health-cmd",
    });
  }
  if (row.status !== "running" || liveState(context, row)?.status === "restarting")
    throw notRunning("healthcheck", row);
  const outcome = await askForCheck(runDirectory(context, row.id), "healthcheck");
  if (outcome === null) throw notRunning("healthcheck", row);
  return OUTCOMES[outcome] ?? "unhealthy";
}
