/**
 * Whether what lies in the store is what it is called. A blob is read and its digest taken. Of an unpacked layer nothing is kept that could be compared with its
 * digest, so its blob is unpacked once more beside it, and both trees are packed: they have to give the same archive.
 */
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { callHelper, type HelperError, startHelper } from "../helper";
import { algorithmOf, type Digest, Digester } from "../oci";
import { type Context, deleteLayer } from "../state";
import { makeMappedDirectory } from "./_owner";
import { makeTemporary } from "./_temporary";
import { blobPath } from "./content";
import type { Driver } from "./driver";
import { discard, ensureLayersDirectory, layerKind, layerPath } from "./layers";

/** What is wrong with a blob, in words; null: nothing. With QUICK it is not read: it must be there, and not be empty. */
export function blobFault(context: Context, digest: Digest, isQuick: boolean): string | null {
  const path = blobPath(context, digest);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return "is missing";
  if (!stat.isFile()) return "is no file";
  if (stat.size === 0) return "is empty";
  if (isQuick) return null;
  const digester = new Digester(algorithmOf(digest));
  const buffer = new Uint8Array(1 << 20);
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    for (let n = readSync(fd, buffer); n > 0; n = readSync(fd, buffer))
      digester.update(buffer.subarray(0, n));
  } catch (error) {
    return `cannot be read: ${(error as NodeJS.ErrnoException).code ?? error}`;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  return digester.finish() === digest ? null : "has another digest";
}

/** Whether the unpacked layer is what its blob, which is whole, unpacks to. Not for drivers whose layers hold their parents, too. */
export async function layerMatches(
  context: Context,
  driver: Driver,
  layer: { chainId: Digest; diffId: Digest },
  blob: Digest,
): Promise<boolean> {
  const kind = layerKind(context, driver);
  const { mappings, kind: ids } = context.host();
  const temporary = makeTemporary(ensureLayersDirectory(context, kind));
  const fd = openSync(blobPath(context, blob), "r");
  try {
    makeMappedDirectory(context, temporary.path, 0o755);
    const request = {
      layerFd: 0,
      compression: "auto" as const,
      target: temporary.path,
      whiteouts: driver.whiteouts,
      diffId: layer.diffId,
      mappings,
      squashOwners: ids === "single",
    };
    await startHelper(context.paths.cache, "layer-apply", request, { stdin: fd }).reply;
    const trees = [layerPath(context, kind, layer.chainId), temporary.path];
    const [is, shouldBe] = await Promise.all(trees.map((path) => digestOfTree(context, path)));
    return is === shouldBe;
  } finally {
    closeSync(fd);
    await discard(context, temporary);
  }
}

/** Of the archive that the tree gives, names in order; what cannot be packed has no digest. */
async function digestOfTree(context: Context, path: string): Promise<string> {
  const target = mkdtempSync(join(context.paths.layers, "empty-"));
  const sink = openSync("/dev/null", "w");
  try {
    const request = {
      upper: path,
      lower: [],
      target,
      mounts: [],
      overlay: false,
      list: false,
      gzip: false,
      comparable: true as const,
      dataFd: sink,
      mappings: context.host().mappings,
    };
    return (await callHelper(context.paths.cache, "layer-diff", request, sink)).diffId;
  } catch (error) {
    return `not readable: ${(error as HelperError).message}`;
  } finally {
    closeSync(sink);
    rmdirSync(target);
  }
}

/** Put a layer that is not what it should be out of the way; containers that run keep what they have mounted. What is left is the next cleaner's. */
export function putLayerAside(context: Context, kind: string, chainId: Digest): void {
  const path = layerPath(context, kind, chainId);
  deleteLayer(context.db(), chainId, kind); // row first: a row without its directory would be a lie
  if (!existsSync(path)) return;
  const temporary = makeTemporary(join(context.paths.layers, kind));
  renameSync(path, temporary.path);
  temporary.abandon();
}
