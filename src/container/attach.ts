import { EngineError } from "../error";
import { type Attach, becomeHelper } from "../helper";
import { type ContainerRow, type Context, isLocked } from "../state";
import { notRunning } from "./alive";
import { tell } from "./journal";
import { liveState } from "./live";
import { isPassedThrough } from "./log-target";
import { checkNotPaused } from "./pause";
import { ownExecutable, runDirectory } from "./places";
import { specOf } from "./spec";

/** Become a client of a running container. Does not return. Throws `not-running`. */
export function attachToContainer(context: Context, row: ContainerRow, attach: Attach): never {
  const runDir = runDirectory(context, row.id);
  if (!isLocked(runDir)) throw notRunning("attach", row);
  checkNotPaused(context, "attach", row);
  if (liveState(context, row)?.status === "restarting") {
    throw new EngineError(
      "not-running",
      "attach",
      row.name,
      "the container is restarting: wait until it runs",
      {
        exitCode: 1,
        hint: `proa wait --condition running ${row.name}`,
      },
    );
  }
  const spec = specOf(context, row);
  const { Tty: terminal, OpenStdin } = spec;
  if (isPassedThrough(spec)) {
    const why = "its streams are those of who started it (--log-driver passthrough)";
    throw new EngineError("unsupported", "attach", row.name, why, { exitCode: 1 });
  }
  tell(context, row, "attach", {}, spec);
  becomeHelper(context.paths.cache, "attach", {
    proa: ownExecutable(),
    runDir,
    // of a container with a terminal keys alone go to it, as docker has it: what ends the client ends only that
    attach: { ...attach, stdin: attach.stdin && OpenStdin, sigProxy: attach.sigProxy && !terminal },
    terminal,
  });
}
