import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { join } from "node:path";
import { type EntryType, entriesAt } from "../helper";
import type { Context } from "../state";
import { isOpaque } from "./_opaque";
import type { RootSource } from "./driver";
import { readInside } from "./inside";
import { rootLayers } from "./rootfs";
import { selectDriver } from "./select";

/**
 * Reading a small file of an image without mounting it: what overlay would show, worked out from the layers' directories. Whiteouts and opaque
 * directories count, links are followed within the stack only, and nothing outside is ever opened: the layers are hostile.
 */

const linksLimit = 40; // as the kernel has it (MAXSYMLINKS)
const componentsLimit = 4096; // a path of links cannot grow without bound

/** The text of a regular file in the container's root to be, or null where there is none that can be read. */
export async function readRootFile(
  context: Context,
  source: RootSource,
  path: string,
): Promise<string | null> {
  const { driver } = await selectDriver(context);
  const layers = await rootLayers(context, driver, source, true);
  if (layers.kind === "directory") return readInside(layers.path, path);
  if (layers.lazy) return layers.lazy.plan.files[path] ?? null;
  if (driver.needsParent) return layers.lower[0] === undefined ? null : readInside(layers.lower[0], path);
  return readFromStack(layers.lower, path);
}

/** The text of PATH in a stack of layer directories, top first; null where there is no such regular file of at most 1 MiB. */
export function readFromStack(layers: readonly string[], path: string): string | null {
  const found = findInStack(layers, path);
  return found === null ? null : readInside(found.layer, found.path);
}

/** A merged directory: its path within the stack, and the layers that have a part in it, top first. */
type Directory = { path: string; layers: readonly string[] };

/** Where a regular file lies in the stack: the layer's directory and the path within it. */
export function findInStack(layers: readonly string[], path: string): { layer: string; path: string } | null {
  const found = resolveInStack(layers, path);
  return found?.kind === "file" ? found : null;
}

/** An entry of a directory of the stack. */
export type SeenEntry = {
  name: string;
  /** As its directory says; "unknown" where that does not tell. */
  type: EntryType;
  /** Of what it is, or of what a link leads to; null where that is nothing. A look of its own. */
  stat(): Stats | null;
};

/** The names in a directory of the stack that `wanted` takes, as overlay would show them; null where PATH is no directory. */
export function listInStack(
  layers: readonly string[],
  path: string,
  wanted: (name: string) => boolean,
): SeenEntry[] | null {
  const found = resolveInStack(layers, path);
  if (found?.kind !== "directory") return null;
  const { directory } = found;
  const seen = new Set<string>();
  const entries: SeenEntry[] = [];
  for (const layer of directory.layers) {
    for (const { name, type } of shownEntries(layer + directory.path)) {
      if (seen.has(name) || !wanted(name)) continue;
      seen.add(name);
      const own = `${layer}${directory.path}/${name}`;
      if ((type === "character" || type === "unknown") && isGone(own)) continue;
      entries.push({ name, type, stat: () => statBehind(layers, `${directory.path}/${name}`) });
    }
  }
  return entries;
}

function isGone(path: string): boolean {
  const stat = statOrNull(path);
  return stat === null || isWhiteout(stat);
}

/** Empty where it is closed to us. */
function shownEntries(directory: string): ReturnType<typeof entriesAt> {
  try {
    return entriesAt(directory);
  } catch {
    return [];
  }
}

function statBehind(layers: readonly string[], path: string): Stats | null {
  const found = resolveInStack(layers, path);
  if (found === null) return null;
  const [layer, within] =
    found.kind === "directory"
      ? [found.directory.layers[0], found.directory.path]
      : [found.layer, found.path];
  return layer === undefined ? null : statOrNull(layer + within);
}

type Resolved = { kind: "directory"; directory: Directory } | { kind: "file"; layer: string; path: string };

/** What PATH leads to, links followed. */
function resolveInStack(layers: readonly string[], path: string): Resolved | null {
  const root: Directory = { path: "", layers };
  const stack: Directory[] = [root]; // from the root to where we are
  const todo = componentsOf(path);
  let links = 0;
  for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
    if (name === "..") {
      if (stack.length > 1) stack.pop();
      continue;
    }
    const here = stack.at(-1) ?? root;
    const entry = lookUp(here, name);
    if (entry === null) return null;
    if (entry.kind === "directory") {
      stack.push(entry.directory);
    } else if (entry.kind === "link") {
      const target = readlinkSync(join(entry.layer, entry.path));
      links++;
      if (links > linksLimit || todo.length > componentsLimit) return null;
      if (target.startsWith("/")) stack.length = 1;
      todo.unshift(...componentsOf(target));
    } else {
      return todo.length === 0 ? { kind: "file", layer: entry.layer, path: entry.path } : null;
    }
  }
  return { kind: "directory", directory: stack.at(-1) ?? root };
}

type Entry =
  | { kind: "directory"; directory: Directory }
  | { kind: "link" | "file"; layer: string; path: string };

/** NAME in a merged directory, as overlay would show it. */
function lookUp(directory: Directory, name: string): Entry | null {
  const path = `${directory.path}/${name}`;
  const parts: string[] = [];
  for (const layer of directory.layers) {
    const stat = statOrNull(layer + path);
    if (stat === null) continue;
    if (isWhiteout(stat)) break;
    if (!stat.isDirectory()) {
      if (parts.length > 0) break; // hidden by a directory above
      if (stat.isSymbolicLink()) return { kind: "link", layer, path };
      return stat.isFile() ? { kind: "file", layer, path } : null;
    }
    parts.push(layer);
    if (isOpaque(layer + path)) break;
  }
  return parts.length === 0 ? null : { kind: "directory", directory: { path, layers: parts } };
}

/** Overlay marks a deletion by a character device 0:0. */
function isWhiteout(stat: Stats): boolean {
  return stat.isCharacterDevice() && stat.rdev === 0;
}

/** A directory that belongs to a mapped id and is closed to us hides its content, as it does from every other reader. */
function statOrNull(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}

function componentsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}
