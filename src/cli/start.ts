import { runCommandLine } from "./dispatch";
import { processIo } from "./io";

/** Run a command line with the streams of this process. Returns the exit status. */
export function start(argv: readonly string[]): Promise<number> {
  return runCommandLine(argv, processIo());
}
