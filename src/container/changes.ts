/** What a container has changed in the files of its image. */
import { closeSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { callHelper, type LayerDiffRequest, memfdCreate } from "../helper";
import type { ContainerRow, Context } from "../state";
import { rootLayers, selectDriver } from "../storage";
import { containerDirectory } from "./places";
import { makeContainerDirectory, mappingsOf, mountTargets, rootSourceOf, storedRoot } from "./root-files";

export type Change = {
  /** Docker's letters: changed, added, deleted. */
  kind: "C" | "A" | "D";
  /** The name's bytes as they are. */
  path: Uint8Array;
};

/** Sorted by path, a directory before what is in it. Also of a container that runs. */
export async function changesOf(context: Context, row: ContainerRow): Promise<Change[]> {
  const fd = memfdCreate("changes");
  try {
    const request = await diffRequest(context, row, "diff");
    if (request === null) return [];
    await callHelper(
      context.paths.cache,
      "layer-diff",
      { ...request, list: true, gzip: false, dataFd: fd },
      fd,
    );
    return parseChanges(readFileSync(`/proc/self/fd/${fd}`));
  } finally {
    closeSync(fd);
  }
}

/** What to compare with what; null where it has never had files of its own. */
export async function diffRequest(
  context: Context,
  row: ContainerRow,
  what: string,
): Promise<Omit<LayerDiffRequest, "list" | "gzip" | "dataFd"> | null> {
  const directory = containerDirectory(context, row.id);
  if (!existsSync(join(directory, "rootfs.json")) && !hasFiles(directory)) return null;
  const { rootfs, config } = await storedRoot(context, row);
  const base = {
    target: join(makeContainerDirectory(context, row.id), "rootfs"),
    mounts: mountTargets(config),
    mappings: mappingsOf(context, row),
  };
  if (rootfs.driver === "plain") {
    const { driver } = await selectDriver(context);
    const layers = await rootLayers(context, driver, rootSourceOf(context, row));
    const lower = layers.kind === "directory" ? [layers.path] : layers.lower.slice(0, 1);
    return { ...base, upper: rootfs.path, lower, overlay: false };
  }
  if (!("upper" in rootfs)) {
    throw new EngineError("unsupported", what, row.name, "its changes are kept in memory, and go with it", {
      exitCode: 1,
      hint: "this root has other file systems mounted in it",
    });
  }
  const data = "data" in rootfs && rootfs.data ? { data: rootfs.data } : {};
  return { ...base, upper: rootfs.upper, lower: rootfs.lower, overlay: true, ...data };
}

function hasFiles(directory: string): boolean {
  return existsSync(join(directory, "upper")) || existsSync(join(directory, "tree"));
}

/** "C/a", "A/b", each with a NUL behind it. */
export function parseChanges(bytes: Uint8Array): Change[] {
  const changes: Change[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    const kind = String.fromCharCode(bytes[at] ?? 0) as Change["kind"];
    changes.push({ kind, path: bytes.subarray(at + 1, end) });
    at = end + 1;
  }
  return changes;
}
