import { EngineError } from "../../error";

/** What `run` and `create` end with when no container came of it: the engine's own status, since 1 may be that of the container's program. */
export function asEngineFailure(error: unknown): unknown {
  if (!(error instanceof EngineError) || error.exitCode !== 1) return error;
  const failure = new EngineError(error.code, error.what, error.on, error.cause, { hint: error.hint });
  if (error.stack !== undefined) failure.stack = error.stack; // where it arose, for --debug
  return failure;
}
