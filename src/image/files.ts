/** What an image's last layer changes in the files of those below it. */
import { closeSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { callHelper, memfdCreate } from "../helper";
import { type Context, makePrivateDirectory } from "../state";
import { rootLayers, selectDriver } from "../storage";
import type { StoredImage } from "./stored";

/** `kind`: docker's letters, for changed, added and deleted. `path`: the name's bytes as they are. */
export type FileChange = { kind: "C" | "A" | "D"; path: Uint8Array };

/** Sorted by path, a directory before what is in it. */
export async function changesOfImage(context: Context, image: StoredImage): Promise<FileChange[]> {
  const { driver } = await selectDriver(context);
  const layers = await rootLayers(context, driver, { kind: "image", image });
  const [upper, ...below] = layers.kind === "image" ? layers.lower : [layers.path]; // top first
  if (upper === undefined) return [];
  const directory = join(context.paths.data, "mounted-images");
  makePrivateDirectory(directory, context.uid);
  const empty = join(directory, "empty");
  mkdirSync(empty, { recursive: true, mode: 0o755 });
  const target = join(directory, `diff-${process.pid}`);
  mkdirSync(target, { recursive: true, mode: 0o700 });
  const lower = driver.needsParent ? below.slice(0, 1) : below; // there a layer is a whole tree
  const fd = memfdCreate("changes");
  try {
    const request = {
      upper,
      lower: lower.length > 0 ? lower : [empty],
      target,
      mounts: [],
      overlay: !driver.needsParent,
      list: true,
      gzip: false,
      dataFd: fd,
      mappings: context.host().mappings,
    };
    await callHelper(context.paths.cache, "layer-diff", request, fd);
    return parse(readFileSync(`/proc/self/fd/${fd}`));
  } finally {
    closeSync(fd);
    rmdirSync(target);
  }
}

/** "C/a", "A/b", each with a NUL behind it. */
function parse(bytes: Uint8Array): FileChange[] {
  const changes: FileChange[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    const kind = String.fromCharCode(bytes[at] ?? 0) as FileChange["kind"];
    changes.push({ kind, path: bytes.subarray(at + 1, end) });
    at = end + 1;
  }
  return changes;
}
