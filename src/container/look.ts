/**
 * A look into the files of a container or an image for who is typing a path: quick, and never a reason to do anything. Nothing is mounted, unpacked or
 * started, and what cannot be seen without that is not seen. A container that runs is seen as it sees itself, through its own mount namespace; all else
 * by its layers. Either is hostile: paths lead nowhere but into it, and what is read has limits.
 */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { entriesOf, openInRoot, pidfdSendSignal, type Rootfs } from "../helper";
import { type ContainerRow, type Context, layersOfImage } from "../state";
import {
  driverName,
  layerKind,
  layerPath,
  listInStack,
  readFromStack,
  readInside,
  type SeenEntry,
} from "../storage";
import { openAlive } from "./alive";
import { foundNearby } from "./elsewhere";
import { rootfsFile } from "./places";
import { specOf } from "./spec";

export type Look = {
  /** What is in a directory and `wanted`; empty where it is none, or closed to us. */
  list(path: string, wanted: (name: string) => boolean): SeenEntry[];
  /** The text of a small file; null where there is none. */
  read(path: string): string | null;
  close(): void;
};

const unseen: Look = { list: () => [], read: () => null, close: () => {} };

/** What the container sees, or would see of its own root. */
export function lookIntoContainer(context: Context, row: ContainerRow): Look {
  const spec = specOf(context, row).HostConfig;
  // the first process of another runtime's container is not in it
  const root = row.status === "running" && spec.Runtime === "" ? openLivingRoot(context, row) : null;
  if (root !== null) return lookBelow(root);
  const rootfs = storedRootfs(context, row);
  if (rootfs?.driver === "plain") return lookAt(rootfs.path);
  if (rootfs !== null) return lookThrough(["upper" in rootfs ? [rootfs.upper] : [], rootfs.lower].flat());
  return row.image_id === null ? lookAt(spec.Rootfs) : lookIntoImage(context, row.image_id);
}

/** What the image's layers show, where they are unpacked. */
export function lookIntoImage(context: Context, id: string): Look {
  const isWhole = driverName(context) === "vfs"; // there a layer is a whole tree; no driver is loaded for that, let alone probed
  const kind = layerKind(context, { kind: isWhole ? "vfs" : "overlay" });
  const paths = layersOfImage(context.db(), id, kind).map((row) => layerPath(context, kind, row.chain_id));
  const top = paths.at(-1);
  if (top === undefined || !paths.every((path) => existsSync(path))) return unseen;
  return isWhole ? lookAt(top) : lookThrough(paths.reverse());
}

/** The root of the container's first process; null where it does not run. */
function openLivingRoot(context: Context, row: ContainerRow): number | null {
  const alive = openAlive(context, row) ?? (foundNearby(context, row.id) ? openAlive(context, row) : null);
  if (alive === null) return null;
  let fd: number | undefined;
  try {
    fd = openSync(`/proc/${alive.pid}/root`, "r");
    if (pidfdSendSignal(alive.pidfd, 0)) return fd; // the number was still its own when it was opened
  } catch {
    // it has just ended, or is not ours to see
  } finally {
    closeSync(alive.pidfd);
  }
  if (fd !== undefined) closeSync(fd);
  return null;
}

function lookThrough(layers: readonly string[]): Look {
  return {
    list: (path, wanted) => listInStack(layers, path, wanted) ?? [],
    read: (path) => readFromStack(layers, path),
    close: () => {},
  };
}

/** A directory that is a root by itself. */
function lookAt(path: string): Look {
  try {
    return lookBelow(openSync(path, "r"));
  } catch {
    return unseen;
  }
}

function lookBelow(root: number): Look {
  return {
    list: (path, wanted) => listBelow(root, path, wanted),
    read: (path) => readInside(`/proc/self/fd/${root}`, path),
    close: () => closeSync(root),
  };
}

/** Everything is opened as the container's own process would be led to it. */
function listBelow(root: number, path: string, wanted: (name: string) => boolean): SeenEntry[] {
  let fd: number;
  try {
    fd = openInRoot(root, path);
  } catch {
    return [];
  }
  try {
    return entriesOf(fd)
      .filter(({ name }) => wanted(name))
      .map((each) => ({ ...each, stat: () => statBelow(root, `${path}/${each.name}`) }));
  } catch {
    return []; // no directory
  } finally {
    closeSync(fd);
  }
}

function statBelow(root: number, path: string): Stats | null {
  let fd: number;
  try {
    fd = openInRoot(root, path, true);
  } catch {
    return null; // a link to nowhere
  }
  try {
    return fstatSync(fd);
  } finally {
    closeSync(fd);
  }
}

function storedRootfs(context: Context, row: ContainerRow): Rootfs | null {
  try {
    return JSON.parse(readFileSync(rootfsFile(context, row.id), "utf8")) as Rootfs;
  } catch {
    return null; // it has never been started
  }
}
