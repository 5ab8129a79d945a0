/** How often a container lives, and how long: what its supervisor is told, and how it is told something else later. */
import type { LifeRequests, RestartRequest } from "../helper";
import type { ContainerSpec, RestartPolicy } from "../oci";
import { type ContainerRow, type Context, isDiskFull, markUserStopped } from "../state";
import { askSupervisor, FRAME } from "./control";
import { runDirectory } from "./places";
import { signalNumber } from "./signal";

/** From the stop signal at the end of `--timeout` to KILL: it is a limit, and no invitation to take one's time. */
const LIMIT_GRACE_MS = 2000;

/** The keys of the request that say so; absent where nothing was asked for. */
export function lifeRequests(spec: ContainerSpec): LifeRequests {
  const restart = restartRequest(spec.HostConfig.RestartPolicy);
  return {
    ...(restart ? { restart } : {}),
    ...(spec.Timeout > 0
      ? {
          timeLimit: {
            afterMs: spec.Timeout * 1000,
            graceMs: LIMIT_GRACE_MS,
            signal: signalNumber(spec.StopSignal || "TERM"),
          },
        }
      : {}),
  };
}

function restartRequest({ Name, MaximumRetryCount }: RestartPolicy): RestartRequest | null {
  return Name === "no" ? null : { policy: Name, maximum: MaximumRetryCount };
}

/** Whether its supervisor may start it again by itself: by its policy, or because it is not well. */
export function mayRestart(spec: ContainerSpec): boolean {
  const { HostConfig, HealthcheckOnFailureAction, StartupHealthCheck } = spec;
  return (
    HostConfig.RestartPolicy.Name !== "no" ||
    HealthcheckOnFailureAction === "restart" ||
    (StartupHealthCheck?.Retries ?? 0) > 0
  );
}

/**
 * The container is to end and not to be started again: before any signal is sent. One that waits for its next start ends by this alone.
 * `isRemoved`: nobody will ask later whether it was stopped.
 */
export async function endRestarts(context: Context, row: ContainerRow, isRemoved = false): Promise<void> {
  if (!isRemoved) noteStopped(context, row);
  await askSupervisor(runDirectory(context, row.id), FRAME.UPDATE, { restart: null });
}

/** A full disk keeps nobody from stopping a container: `unless-stopped` starts it at the next boot then. */
function noteStopped(context: Context, row: ContainerRow): void {
  try {
    markUserStopped(context.db(), row.id);
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  }
}

/** Its supervisor starts it again when it ends now. Returns false where it does not live. Throws HelperError. */
export function askForAnotherLife(context: Context, row: ContainerRow): Promise<boolean> {
  return askSupervisor(runDirectory(context, row.id), FRAME.UPDATE, { again: true }, "restart");
}

/** Another policy for a container that lives. Returns false where it does not. Throws HelperError. */
export function changePolicy(context: Context, row: ContainerRow, policy: RestartPolicy): Promise<boolean> {
  return askSupervisor(runDirectory(context, row.id), FRAME.UPDATE, { restart: restartRequest(policy) });
}
