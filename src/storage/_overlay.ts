import { holdsMounts, liesBeneath, lowerOf, makeWritable } from "./_writable";
import type { Driver } from "./driver";

/** The kernel's overlay, mounted inside the user namespace. */
export const overlayDriver: Driver = {
  name: "overlay",
  kind: "overlay",
  whiteouts: "overlay",
  needsParent: false,

  async prepareRootfs(context, source, containerDir, options) {
    const lower = lowerOf(source, containerDir);
    const [top = containerDir] = lower;
    if (source.kind === "directory" && (liesBeneath(top, containerDir) || holdsMounts(top))) {
      return { driver: "overlay", lower, tmpfs: true };
    }
    const lazy = source.kind === "image" ? source.lazy : undefined;
    const { upper, work } = makeWritable(context, containerDir, top, lazy?.plan.rootMode);
    const data = source.kind === "image" && source.data?.length ? { data: source.data } : {};
    const coming = lazy ? { lazy: lazy.layers } : {};
    return { driver: "overlay", lower, upper, work, volatile: options.volatile ?? false, ...data, ...coming };
  },
};
