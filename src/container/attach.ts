import { type Attach, becomeHelper } from "../helper";
import { type ContainerRow, type Context, isLocked } from "../state";
import { notRunning } from "./alive";
import { ownExecutable, runDirectory } from "./places";
import { specOf } from "./spec";

/** Become a client of a running container. Does not return. Throws `not-running`. */
export function attachToContainer(context: Context, row: ContainerRow, attach: Attach): never {
  const runDir = runDirectory(context, row.id);
  if (!isLocked(runDir)) throw notRunning("attach", row);
  const { Tty: terminal, OpenStdin } = specOf(context, row);
  becomeHelper(context.paths.cache, "attach", {
    proa: ownExecutable(),
    runDir,
    attach: { ...attach, stdin: attach.stdin && OpenStdin },
    terminal,
  });
}
