/** Removing containers with all they have. */
import { closeSync, existsSync, rmSync } from "node:fs";
import { EngineError } from "../error";
import {
  anonymousVolumesOf,
  type ContainerRow,
  type Context,
  deleteContainers,
  requiringContainers,
} from "../state";
import { labelsFor, tell } from "./journal";
import { lockContainer } from "./lock";
import { containerDirectory, runDirectory } from "./places";
import { deleteWithVolumes } from "./release";
import { killAll } from "./stop";
import { removeTrees } from "./trees";
import { noteUnfinished, type Unfinished } from "./unfinished";

/**
 * Remove containers, all at once: first their rows, then their files, so that a crash leaves garbage and no lie; the next writer clears it. Each is locked meanwhile, so
 * that it is not started. `force` kills those that run; `volumes` takes their anonymous volumes, too, as it is with those of `--rm` in any case.
 *
 * @returns what failed, by id: `in-use` for one that runs
 */
export async function removeContainers(
  context: Context,
  rows: ContainerRow[],
  force: boolean,
  more: { volumes?: boolean } = {},
): Promise<Map<string, EngineError>> {
  const failed = await refuseRequired(context, rows);
  const locked: { row: ContainerRow; fd: number }[] = [];
  const unfinished: Unfinished[] = [];
  try {
    const free = rows.filter(({ id }) => !failed.has(id));
    if (force) await killAll(context, free);
    for (const row of free) {
      const fd = await lockDead(context, row, force);
      if (fd === null) failed.set(row.id, isRunning(row));
      else locked.push({ row, fd });
    }
    const ids = locked.map(({ row }) => row.id);
    const specs = new Map(ids.map((id) => [id, labelsFor(context, id)])); // for what is told when they are gone
    for (const id of ids)
      unfinished.push(noteUnfinished(context, id, anonymousVolumesOf(context.db(), [id])));
    const alone = locked.filter(({ row }) => more.volumes || row.auto_remove === 1).map(({ row }) => row.id);
    await deleteWithVolumes(context, alone, () => deleteContainers(context.db(), ids));
    const directories = ids.map((id) => containerDirectory(context, id)).filter((path) => existsSync(path));
    if (directories.length > 0) await removeTrees(context, directories);
    for (const id of ids) rmSync(runDirectory(context, id), { recursive: true, force: true });
    for (const each of unfinished) each.done();
    for (const { row } of locked) tell(context, row, "destroy", {}, specs.get(row.id));
  } finally {
    for (const each of unfinished) each.close();
    for (const { fd } of locked) closeSync(fd);
  }
  return failed;
}

/** What others that stay need cannot go (podman's rule for `--requires`). By id. */
async function refuseRequired(context: Context, rows: ContainerRow[]): Promise<Map<string, EngineError>> {
  const failed = new Map<string, EngineError>();
  const going = new Set(rows.map(({ id }) => id));
  const staying = requiringContainers(context.db()).filter(({ id }) => !going.has(id));
  if (staying.length === 0) return failed;
  const { readSpec } = await import("./spec");
  for (const row of rows) {
    const names = staying
      .filter(({ spec }) => readSpec(spec).HostConfig.Requires?.includes(row.id))
      .map(({ name }) => name);
    if (names.length === 0) continue;
    const why = `it has dependent containers which must be removed before it: ${names.join(", ")}`;
    failed.set(
      row.id,
      new EngineError("in-use", "remove container", row.name, why, {
        exitCode: 1,
        hint: `remove them too: proa rm --depend ${row.name}`,
      }),
    );
  }
  return failed;
}

const KILL_TRIES = 5;

/** Lock a container that does not run. `force`: one that another command has just started is killed again. */
async function lockDead(context: Context, row: ContainerRow, force: boolean): Promise<number | null> {
  for (let attempt = 0; ; attempt++) {
    const fd = lockContainer(context, row.id);
    if (fd !== null || !force || attempt === KILL_TRIES) return fd;
    await killAll(context, [row]);
  }
}

function isRunning(row: ContainerRow): EngineError {
  return new EngineError("in-use", "remove container", row.name, "it is running", {
    exitCode: 1,
    hint: `stop it first (proa stop ${row.name}), or remove it by force (proa rm -f ${row.name})`,
  });
}
