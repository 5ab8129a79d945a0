import { EngineError } from "../error";
import { lowerOf, makeWritable } from "./_writable";
import type { Driver } from "./driver";

/** fuse-overlayfs, where the kernel has no overlay for ordinary users. It reads the same layers. */
export const fuseOverlayfsDriver: Driver = {
  name: "fuse-overlayfs",
  kind: "overlay",
  whiteouts: "overlay",
  needsParent: false,

  async prepareRootfs(context, source, containerDir) {
    const program = fuseOverlayfsProgram();
    if (program === null) {
      throw new EngineError(
        "unsupported",
        "mount root file system",
        "fuse-overlayfs",
        "it is not installed",
        {
          hint: "Debian: apt-get install fuse-overlayfs",
        },
      );
    }
    const lower = lowerOf(source, containerDir);
    const { upper, work } = makeWritable(context, containerDir, lower[0] ?? containerDir);
    return { driver: "fuse-overlayfs", program, lower, upper, work };
  },
};

/** Absolute path of the program, or null. */
export function fuseOverlayfsProgram(): string | null {
  return Bun.which("fuse-overlayfs");
}
