/** Removing volumes: rows first, then files, so that a crash leaves garbage and no lie. */
import { closeSync } from "node:fs";
import { EngineError } from "../error";
import {
  allVolumes,
  anonymousVolumesOf,
  type Context,
  deleteVolume,
  usersOfVolume,
  type Volume,
  type VolumeUser,
  volumeByName,
  volumeUseCounts,
} from "../state";
import { clearAside, lockStore, putAside, storedNames } from "./_store";
import { tellOf } from "./create";
import { volumeSize } from "./size";

/**
 * Delete rows in one transaction, and take their directories out of sight. `choose` names the volumes, inside the transaction.
 */
function takeAway(context: Context, choose: () => string[]): string[] {
  let lock: number | undefined;
  try {
    const take = context.db().transaction(() => {
      const names = choose();
      if (names.length > 0) lock = lockStore(context);
      for (const name of names) deleteVolume(context.db(), name);
      return names;
    });
    const names = take.immediate();
    for (const name of names) putAside(context, name);
    return names;
  } finally {
    if (lock !== undefined) closeSync(lock);
  }
}

/** Throws `in-use`, naming the containers, and `not-found` where somebody was faster. */
export async function removeVolume(context: Context, volume: Volume): Promise<void> {
  takeAway(context, () => {
    const users = usersOfVolume(context.db(), volume.name);
    if (users.length > 0) throw inUse(volume, users);
    if (volumeByName(context.db(), volume.name) === null) throw noSuchVolume("remove volume", volume.name);
    return [volume.name];
  });
  tellOf(context, "destroy", volume.name);
  await clearAside(context);
}

function inUse(volume: Volume, users: readonly VolumeUser[]): EngineError {
  const names = users.map(({ name }) => name).join(" ");
  const why = `volume is in use - [${users.map(({ id }) => id).join(", ")}]`;
  return new EngineError("in-use", "remove volume", volume.name, why, {
    exitCode: 1,
    hint: `remove the containers first: proa rm ${names}`,
  });
}

export function noSuchVolume(what: string, name: string): EngineError {
  return new EngineError("not-found", what, name, "no such volume", {
    exitCode: 1,
    hint: "list them: proa volume ls",
  });
}

/** Remove every volume that no container mounts and that `wanted` takes. Returns names, and the bytes that this has freed. */
export async function pruneVolumes(
  context: Context,
  wanted: (volume: Volume) => boolean,
): Promise<{ removed: string[]; bytes: number }> {
  const db = context.db();
  const unused = (): Volume[] => {
    const counts = volumeUseCounts(db);
    return allVolumes(db).filter((volume) => !counts.has(volume.name) && wanted(volume));
  };
  hideUnnamed(context, storedNames(context));
  const sizes = new Map<string, number>(); // before: what is out of sight has no name
  for (const { name } of unused()) sizes.set(name, await volumeSize(context, name));
  const removed = takeAway(context, () => unused().flatMap(({ name }) => (sizes.has(name) ? [name] : [])));
  for (const name of removed) tellOf(context, "destroy", name);
  await clearAside(context);
  const bytes = removed.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
  tellOf(context, "prune", "", { reclaimed: String(bytes) });
  return { removed, bytes };
}

/**
 * Delete the rows of containers, and with them the anonymous volumes that were made for their mounts and that no other container has. The
 * volumes' files go afterwards.
 */
export async function releaseVolumes(
  context: Context,
  containerIds: readonly string[],
  deleteRows: () => void,
): Promise<void> {
  const db = context.db();
  const removed = takeAway(context, () => {
    const names = anonymousVolumesOf(db, containerIds);
    deleteRows();
    return names.filter((name) => usersOfVolume(db, name).length === 0);
  });
  for (const name of removed) tellOf(context, "destroy", name);
  if (removed.length > 0) await clearAside(context);
}

/** Clear what was to be made or removed under these names when that was killed: directories without a row. */
export async function clearUnnamed(context: Context, names: readonly string[]): Promise<void> {
  hideUnnamed(context, names);
  await clearAside(context);
}

/** Bring rows and directories together: what a kill has left goes, and so do rows whose directory somebody has removed. Returns their names. */
export async function reloadVolumes(context: Context): Promise<{ removed: string[]; lost: string[] }> {
  const lost: string[] = [];
  const removed = takeAway(context, () => {
    const stored = new Set(storedNames(context));
    const gone = allVolumes(context.db()).filter(({ name }) => !stored.has(name));
    const counts = volumeUseCounts(context.db());
    for (const { name } of gone) if (counts.has(name)) lost.push(name);
    return gone.flatMap(({ name }) => (counts.has(name) ? [] : [name]));
  });
  hideUnnamed(context, storedNames(context));
  await clearAside(context);
  for (const name of removed) tellOf(context, "destroy", name);
  return { removed, lost };
}

/** Directories without a row, seen while nobody can make one. */
function hideUnnamed(context: Context, candidates: readonly string[]): void {
  const hide = context.db().transaction(() => {
    const lock = lockStore(context);
    try {
      for (const name of candidates) {
        if (volumeByName(context.db(), name) === null) putAside(context, name);
      }
    } finally {
      closeSync(lock);
    }
  });
  hide.immediate();
}
