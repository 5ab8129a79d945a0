import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { callHelper } from "../helper";
import { makeMappedDirectory } from "./_owner";
import type { Driver } from "./driver";

/** A full copy of the top layer for each container: slow and large, and works everywhere. */
export const vfsDriver: Driver = {
  name: "vfs",
  kind: "vfs",
  whiteouts: "delete",
  needsParent: true,

  async prepareRootfs(context, source, containerDir, options) {
    if (source.kind === "directory") {
      throw new EngineError(
        "unsupported",
        "use root file system",
        source.path,
        "the vfs driver would copy all of it",
        {
          hint: "use --storage-driver overlay or fuse-overlayfs",
        },
      );
    }
    const path = join(containerDir, "tree");
    if (existsSync(path)) return { driver: "plain", path }; // a second start goes on with what the first one wrote
    const [from] = source.lower;
    if (from === undefined) {
      makeMappedDirectory(context, path, 0o755);
      return { driver: "plain", path };
    }
    const mappings = context.host().mappings;
    const half = join(containerDir, "tree.tmp");
    // A start that was killed may have left it half copied.
    if (existsSync(half)) await callHelper(context.paths.cache, "remove-tree", { paths: [half], mappings });
    makeMappedDirectory(context, half, 0o755);
    await callHelper(context.paths.cache, "copy-tree", {
      from,
      to: half,
      mappings,
      ...(options.change ? { change: options.change } : {}),
    });
    renameSync(half, path);
    return { driver: "plain", path };
  },
};
