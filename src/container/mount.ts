/** The roots of containers, mounted for who works in `proa unshare`: the user namespace that owns their files. */
import { closeSync, mkdirSync, rmSync } from "node:fs";
import { EngineError } from "../error";
import { callHelper, isUnshared, umount } from "../helper";
import { allContainers, type ContainerRow, type Context, isMountPoint } from "../state";
import { openAlive } from "./alive";
import { tell } from "./journal";
import { lockContainer } from "./lock";
import { mountPlace, runDirectory } from "./places";
import { storedRoot } from "./root-files";

/** Throws `unsupported` outside, where no mount of ours would be seen by anybody. */
function checkUnshared(what: string, name: string): void {
  if (isUnshared()) return;
  throw new EngineError(
    "unsupported",
    what,
    name,
    "a container is mounted in the user namespace that owns its files",
    {
      hint: `proa unshare proa ${what}${name === "" ? "" : ` ${name}`}`,
    },
  );
}

/** Mount it, if it is not, and say where. One that runs can only be read there. */
export async function mountContainer(context: Context, row: ContainerRow): Promise<string> {
  checkUnshared("mount", row.name);
  const target = mountPlace(context, row.id);
  if (isMountPoint(target)) return target;
  const alive = openAlive(context, row);
  if (alive) closeSync(alive.pidfd);
  const lock = alive ? null : lockContainer(context, row.id);
  try {
    const { rootfs } = await storedRoot(context, row);
    mkdirSync(target, { recursive: true, mode: 0o700 });
    const plain = "volatile" in rootfs ? { ...rootfs, volatile: false } : rootfs;
    await callHelper(context.paths.cache, "mount-root", { rootfs: plain, target, readonly: alive !== null });
  } finally {
    if (lock !== null) {
      rmSync(runDirectory(context, row.id), { recursive: true, force: true });
      closeSync(lock);
    }
  }
  tell(context, row, "mount");
  return target;
}

/** Returns false where it is not mounted here. */
export function unmountContainer(context: Context, row: ContainerRow, force: boolean): boolean {
  checkUnshared("unmount", row.name);
  const target = mountPlace(context, row.id);
  if (!isMountPoint(target)) return false;
  try {
    umount(target, force);
  } catch (error) {
    throw new EngineError("in-use", "unmount", row.name, error, {
      exitCode: 1,
      hint: "something still uses it; --force takes it out of sight all the same",
    });
  }
  tell(context, row, "unmount");
  return true;
}

/** Those that are mounted here, and where. */
export function mountedContainers(context: Context): { row: ContainerRow; path: string }[] {
  checkUnshared("mount", "");
  return allContainers(context.db())
    .map((row) => ({ row, path: mountPlace(context, row.id) }))
    .filter(({ path }) => isMountPoint(path));
}

/** podman's init: everything a start needs but its processes and its networks is made. Throws `already-running`. */
export async function initContainer(context: Context, row: ContainerRow): Promise<void> {
  const lock = lockContainer(context, row.id);
  if (lock === null) {
    throw new EngineError("already-running", "init", row.name, "the container is running", { exitCode: 1 });
  }
  try {
    const { prepareContainer } = await import("./prepare");
    await prepareContainer(context, row);
  } finally {
    rmSync(runDirectory(context, row.id), { recursive: true, force: true });
    closeSync(lock);
  }
  tell(context, row, "init");
}
