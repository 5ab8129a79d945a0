/** Removing containers with all they have. */
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { EngineError } from "../error";
import { type ContainerRow, type Context, deleteContainer, isLocked } from "../state";
import { containerDirectory, runDirectory } from "./places";
import { killContainer } from "./stop";
import { removeTrees } from "./trees";

/**
 * Remove a container: first its row, then its files, so that a crash leaves garbage and no lie. Throws `in-use` for one that runs, unless `force` kills it first.
 */
export async function removeContainer(context: Context, row: ContainerRow, force: boolean): Promise<void> {
  if (isLocked(runDirectory(context, row.id))) {
    if (!force) {
      throw new EngineError("in-use", "remove container", row.name, "it is running", {
        exitCode: 1,
        hint: `stop it first (proa stop ${row.name}), or remove it by force (proa rm -f ${row.name})`,
      });
    }
    killIfAlive(context, row);
  }
  deleteContainer(context.db(), row.id);
  const left = [containerDirectory(context, row.id), runDirectory(context, row.id)].filter((path) =>
    existsSync(path),
  );
  if (left.length > 0) await removeTrees(context, left);
}

function killIfAlive(context: Context, row: ContainerRow): void {
  try {
    killContainer(context, row, constants.signals.SIGKILL);
  } catch (error) {
    if (!(error instanceof EngineError && error.code === "not-running")) throw error; // it ended by itself
  }
}
