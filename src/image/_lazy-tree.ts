import { EngineError } from "../error";
import type { Chunk, TocEntry } from "./_toc";

/** The files of a layer as overlay is to see them, from its table of contents: what the unpacker would make of the layer itself. */

export type TreeNode = {
  type: TocEntry["type"] | "whiteout";
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  link: string;
  xattrs: [name: string, value: Uint8Array][];
  chunks: Chunk[];
  /** Names of a directory. */
  children: Map<string, TreeNode>;
  /** A directory that hides what layers below have there. */
  isOpaque: boolean;
  /** Names that it has. */
  links: number;
};

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/** @throws EngineError `unsupported` for what only the unpacker can decide */
export function treeOf(entries: readonly TocEntry[]): TreeNode {
  const odd = (why: string) => new EngineError("unsupported", "read table of contents", "", why);
  const root = directory(0o755);
  const hidden: { parent: TreeNode; name: string }[] = [];
  for (const entry of entries) {
    const name = entry.path.at(-1);
    if (name === undefined) {
      if (entry.type !== "dir") throw odd("the root is no directory");
      Object.assign(root, attributesOf(entry));
      continue;
    }
    const parent = parentOf(root, entry.path, odd);
    if (name === OPAQUE) parent.isOpaque = true;
    else if (name.startsWith(WHITEOUT)) hidden.push({ parent, name: name.slice(WHITEOUT.length) });
    else put(root, parent, name, entry, odd);
  }
  for (const { parent, name } of hidden) {
    if (name === "" || name === "." || name === "..") throw odd("a whiteout of no file");
    const own = parent.children.get(name); // hides what is below by itself, unless that could be merged with it
    if (own === undefined) parent.children.set(name, { ...directory(0), type: "whiteout" });
    else if (own.type === "dir") own.isOpaque = true;
  }
  return root;
}

function put(
  root: TreeNode,
  parent: TreeNode,
  name: string,
  entry: TocEntry,
  odd: (why: string) => EngineError,
): void {
  if (entry.type === "char" || entry.type === "block") return; // nobody but the host's root may make them
  const before = parent.children.get(name);
  if (entry.type === "hardlink") {
    const target = find(
      root,
      entry.link.split("/").filter((part) => part !== "" && part !== "."),
    );
    if (target === undefined || target.type === "dir") throw odd("a hard link to no file");
    if (before === target) return;
    target.links++;
    parent.children.set(name, target);
    return;
  }
  if (entry.type === "dir" && before?.type === "dir") {
    Object.assign(before, attributesOf(entry));
    return;
  }
  if (before !== undefined) before.links--;
  parent.children.set(name, { ...directory(0), ...attributesOf(entry), type: entry.type, links: 1 });
}

function directory(mode: number): TreeNode {
  return {
    type: "dir",
    mode,
    uid: 0,
    gid: 0,
    size: 0,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    link: "",
    xattrs: [],
    chunks: [],
    children: new Map(),
    isOpaque: false,
    links: 1,
  };
}

function attributesOf(entry: TocEntry): Partial<TreeNode> {
  const { mode, uid, gid, size, mtimeSeconds, mtimeNanoseconds, link, xattrs, chunks } = entry;
  return { mode, uid, gid, size, mtimeSeconds, mtimeNanoseconds, link, xattrs, chunks };
}

/** The directory that an entry is in; those that nobody has named are root's and open to all. */
function parentOf(root: TreeNode, path: readonly string[], odd: (why: string) => EngineError): TreeNode {
  let at = root;
  for (const name of path.slice(0, -1)) {
    let next = at.children.get(name);
    if (next === undefined) {
      next = directory(0o755);
      at.children.set(name, next);
    }
    if (next.type !== "dir") throw odd("a path through what is no directory");
    at = next;
  }
  return at;
}

export function find(root: TreeNode, path: readonly string[]): TreeNode | undefined {
  let at: TreeNode | undefined = root;
  for (const name of path) at = at?.type === "dir" ? at.children.get(name) : undefined;
  return at;
}
