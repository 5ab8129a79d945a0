/** Driving the helper's layer-apply, remove-tree and copy-tree, and looking at what they made. */

import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostMappings } from "../../src/helper/mappings";
import type { Facts, LayerApplyReply, LayerApplyRequest, Mappings } from "../../src/helper/protocol";
import { lgetxattr, memfdCreate } from "../../src/helper/syscalls";
import { helperPath } from "./_container";

export const { mappings, kind } = hostMappings();

/** Why these tests cannot run here, or undefined. */
export const layerMissing = !existsSync(helperPath)
  ? `no helper at ${helperPath}: make -C native`
  : kind !== "range"
    ? "no subordinate ids for this user"
    : undefined;

/** Only the caller's own id, as on a host without subordinate ids. */
export const singleMappings: Mappings = {
  uid: [{ containerID: 0, hostID: process.getuid?.() ?? 0, size: 1 }],
  gid: [{ containerID: 0, hostID: process.getgid?.() ?? 0, size: 1 }],
};

export type Answer<R> = { ok?: R; error?: Facts; status: number | null };

type Input = Uint8Array | "pipe" | "ignore";

/** Start a verb; `before` are words put in front of the helper (strace …). */
export function startVerb(verb: string, request: object, stdin: Input = "ignore", before: string[] = []) {
  const fd = memfdCreate("request");
  writeSync(fd, JSON.stringify(request));
  const child = Bun.spawn([...before, helperPath, verb, "3"], { stdio: [stdin, "pipe", "inherit", fd] });
  closeSync(fd);
  return child;
}

async function answerOf<R>(child: ReturnType<typeof startVerb>): Promise<Answer<R>> {
  const text = await new Response(child.stdout as ReadableStream).text();
  const status = await child.exited;
  return { ...JSON.parse(text), status };
}

export const call = <R = Record<string, never>>(verb: string, request: object): Promise<Answer<R>> =>
  answerOf<R>(startVerb(verb, request));

const directories: string[] = [];

/** A fresh directory that removeDirectories() of `_container.ts` cannot know of: see removeAll(). */
export function scratch(): string {
  const path = mkdtempSync(join(process.env["PROA_TEST_TMP"] ?? tmpdir(), "l-"));
  directories.push(path);
  return path;
}

/** Remove all scratch directories, by the verb under test. */
export async function removeAll(): Promise<void> {
  const paths = directories.splice(0);
  if (paths.length > 0) await call("remove-tree", { paths, mappings });
  for (const path of paths) if (existsSync(path)) throw new Error(`left behind: ${path}`);
}

export function requestFor(target: string, more: Partial<LayerApplyRequest> = {}): LayerApplyRequest {
  return {
    layerFd: 0,
    compression: "auto",
    target,
    whiteouts: "overlay",
    diffId: "",
    mappings,
    squashOwners: false,
    ...more,
  };
}

export type Applied = Answer<LayerApplyReply> & { target: string };

export type ApplyOptions = Partial<LayerApplyRequest> & { before?: string[] };

/** Apply a layer to `target`, or to a new directory of mode 0700. */
export async function apply(layer: Uint8Array, options: ApplyOptions = {}): Promise<Applied> {
  const { before, target = newTarget(), ...more } = options;
  const child = startVerb("layer-apply", requestFor(target, more), layer, before);
  return { ...(await answerOf<LayerApplyReply>(child)), target };
}

/** Apply a layer that must succeed. Resolves with its directory. */
export async function applied(layer: Uint8Array, options: ApplyOptions = {}): Promise<string> {
  const result = await apply(layer, options);
  if (result.error) throw new Error(JSON.stringify(result.error));
  return result.target;
}

/** A new directory with a neighbour "outside", which nothing may touch. */
export function newTarget(): string {
  const path = join(scratch(), "target");
  mkdirSync(path, { mode: 0o700 });
  return path;
}

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** The id inside for one outside. */
function inside(id: number, map: Mappings["uid"]): number {
  const line = map.find(({ hostID, size }) => id >= hostID && id < hostID + size);
  return line ? id - line.hostID + line.containerID : -1;
}

// Not an object: Biome rewrites octal keys, and wrongly.
const kinds = new Map([
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
  [0o010000, "fifo"],
  [0o020000, "char"],
  [0o060000, "block"],
]);

export type Seen = {
  type: string;
  mode: string;
  owner: string;
  mtimeNs: bigint;
  atimeNs: bigint;
  links: number;
  size: number;
  blocks: number;
  rdev: number;
  ino: number;
};

/** What is at `path`, ids as seen inside. */
export function look(path: string): Seen {
  const st = lstatSync(path, { bigint: true });
  return {
    type: kinds.get(Number(st.mode) & 0o170000) ?? "?",
    mode: (Number(st.mode) & 0o7777).toString(8),
    owner: `${inside(Number(st.uid), mappings.uid)}:${inside(Number(st.gid), mappings.gid)}`,
    mtimeNs: st.mtimeNs,
    atimeNs: st.atimeNs,
    links: Number(st.nlink),
    size: Number(st.size),
    blocks: Number(st.blocks),
    rdev: Number(st.rdev),
    ino: Number(st.ino),
  };
}

/** As lgetxattr(); null also where this user may not read the file. */
function attribute(path: string, name: string): Buffer | null {
  try {
    return lgetxattr(path, name);
  } catch {
    return null;
  }
}

/** The tree in short: "a/" a directory, "a/" + " opaque", "b -> c", "d whiteout", "e = content". */
export function list(root: string, below = ""): string[] {
  const lines: string[] = [];
  for (const name of readdirSync(join(root, below)).sort()) {
    const path = below === "" ? name : `${below}/${name}`;
    const full = join(root, path);
    const seen = look(full);
    if (seen.type === "directory") {
      const opaque = attribute(full, "user.overlay.opaque")?.toString() === "y";
      lines.push(`${path}/${opaque ? " opaque" : ""}`, ...list(root, path));
    } else if (seen.type === "symlink") lines.push(`${path} -> ${readlinkSync(full)}`);
    else if (seen.type === "char" && seen.rdev === 0) lines.push(`${path} whiteout`);
    else if (seen.type === "file") lines.push(`${path} = ${readFileSync(full, "utf8")}`);
    else lines.push(`${path} ${seen.type}`);
  }
  return lines;
}
