import { constants } from "node:os";
import { EngineError } from "../../error";

/** Run WORK so that Ctrl-C and SIGTERM end it in order: what is half done is removed. Who asks twice does not want to wait. */
export async function untilInterrupted<T>(
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  const end = (signal: NodeJS.Signals): void => {
    const exitCode = 128 + constants.signals[signal];
    ended.abort(new EngineError("interrupted", what, "", `interrupted by ${signal}`, { exitCode }));
  };
  process.once("SIGINT", end).once("SIGTERM", end);
  try {
    return await work(ended.signal);
  } finally {
    process.off("SIGINT", end).off("SIGTERM", end);
  }
}
