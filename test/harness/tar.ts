/** Trees and layers from objects. */
import type { Header } from "tar-stream";

type EntryHeader = Partial<Header> & { name: string };

export type TreeEntry =
  | {
      type?: "file";
      content?: string | Uint8Array;
      mode?: number;
      uid?: number;
      gid?: number;
      mtimeMs?: number;
      xattrs?: Xattrs;
    }
  | { type: "directory"; mode?: number; uid?: number; gid?: number; mtimeMs?: number; xattrs?: Xattrs }
  | { type: "symlink" | "link"; target: string; uid?: number; gid?: number }
  | { type: "character-device" | "block-device"; major: number; minor: number; mode?: number }
  | { type: "fifo"; mode?: number };

export type Xattrs = Record<string, string>;

/** Path to content: text or bytes is a file of mode 0644, a path that ends in `/` a directory, all else as the entry says. */
export type Tree = Record<string, string | Uint8Array | TreeEntry>;

const TYPES = {
  file: "file",
  directory: "directory",
  symlink: "symlink",
  link: "link",
  "character-device": "character-device",
  "block-device": "block-device",
  fifo: "fifo",
} as const satisfies Record<NonNullable<TreeEntry["type"]>, Header["type"]>;

const EPOCH = new Date("2024-01-02T03:04:05Z"); // one time for all: equal trees make equal digests

/** The tar archive of a tree, entries in the order of the object, names written as they stand. */
export async function tarOf(tree: Tree): Promise<Uint8Array> {
  const { pack } = await import("tar-stream");
  const archive = pack();
  const chunks: Uint8Array[] = [];
  archive.on("data", (chunk) => chunks.push(chunk as Uint8Array));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  archive.on("end", resolve);
  archive.on("error", reject);
  for (const [name, value] of Object.entries(tree)) {
    const [header, content] = headerOf(name, entryOf(name, value));
    if (content === undefined) archive.entry(header);
    else archive.entry(header, Buffer.from(content));
  }
  archive.finalize();
  await promise;
  return Buffer.concat(chunks);
}

function entryOf(name: string, value: string | Uint8Array | TreeEntry): TreeEntry {
  if (typeof value === "string" && name.endsWith("/")) return { type: "directory" };
  if (typeof value === "string" || value instanceof Uint8Array) return { content: value };
  return value;
}

function headerOf(name: string, entry: TreeEntry): [EntryHeader, string | Uint8Array | undefined] {
  const type = TYPES[entry.type ?? "file"];
  const header: EntryHeader = {
    name,
    type,
    mtime: EPOCH,
    mode: type === "directory" ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
  };
  if ("mode" in entry && entry.mode !== undefined) header.mode = entry.mode;
  if ("uid" in entry && entry.uid !== undefined) header.uid = entry.uid;
  if ("gid" in entry && entry.gid !== undefined) header.gid = entry.gid;
  if ("mtimeMs" in entry && entry.mtimeMs !== undefined) header.mtime = new Date(entry.mtimeMs);
  if ("xattrs" in entry && entry.xattrs !== undefined) {
    header.pax = Object.fromEntries(
      Object.entries(entry.xattrs).map(([key, value]) => [`SCHILY.xattr.${key}`, value]),
    );
  }
  if (entry.type === "symlink" || entry.type === "link")
    return [{ ...header, mode: 0o777, linkname: entry.target }, undefined];
  if (entry.type === "character-device" || entry.type === "block-device") {
    return [{ ...header, devmajor: entry.major, devminor: entry.minor }, undefined];
  }
  if (entry.type === "directory" || entry.type === "fifo") return [header, undefined];
  return [header, (entry as { content?: string | Uint8Array }).content ?? ""];
}
