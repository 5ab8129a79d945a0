/** Removing containers with all they have. */
import { closeSync, existsSync, rmSync } from "node:fs";
import { EngineError } from "../error";
import { type ContainerRow, type Context, deleteContainers } from "../state";
import { lockContainer } from "./lock";
import { containerDirectory, runDirectory } from "./places";
import { killAll } from "./stop";
import { removeTrees } from "./trees";
import { noteUnfinished, type Unfinished } from "./unfinished";

/**
 * Remove containers, all at once: first their rows, then their files, so that a crash leaves garbage and no lie; the next writer clears it. Each is locked meanwhile, so
 * that it is not started. `force` kills those that run.
 *
 * @returns what failed, by id: `in-use` for one that runs
 */
export async function removeContainers(
  context: Context,
  rows: ContainerRow[],
  force: boolean,
): Promise<Map<string, EngineError>> {
  if (force) killAll(context, rows);
  const failed = new Map<string, EngineError>();
  const locked: { row: ContainerRow; fd: number }[] = [];
  const unfinished: Unfinished[] = [];
  try {
    for (const row of rows) {
      const fd = lockContainer(context, row.id);
      if (fd === null) failed.set(row.id, isRunning(row));
      else locked.push({ row, fd });
    }
    const ids = locked.map(({ row }) => row.id);
    for (const id of ids) unfinished.push(noteUnfinished(context, id));
    deleteContainers(context.db(), ids);
    const directories = ids.map((id) => containerDirectory(context, id)).filter((path) => existsSync(path));
    if (directories.length > 0) await removeTrees(context, directories);
    for (const id of ids) rmSync(runDirectory(context, id), { recursive: true, force: true });
    for (const each of unfinished) each.done();
  } finally {
    for (const each of unfinished) each.close();
    for (const { fd } of locked) closeSync(fd);
  }
  return failed;
}

function isRunning(row: ContainerRow): EngineError {
  return new EngineError("in-use", "remove container", row.name, "it is running", {
    exitCode: 1,
    hint: `stop it first (proa stop ${row.name}), or remove it by force (proa rm -f ${row.name})`,
  });
}
