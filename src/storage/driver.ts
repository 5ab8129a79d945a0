import type { LazyLayers, Rootfs, TreeChange } from "../helper";
import type { IdRanges } from "../oci";
import type { Context } from "../state";
import type { LazyPlan } from "./lazy";

/** How layers become a container's root file system. */

export type DriverName = "overlay" | "fuse-overlayfs" | "vfs";

/** What a container's root is made of. */
export type RootSource =
  | { kind: "image"; image: { readonly id: string } }
  /** A directory of the host, never written to. */
  | { kind: "directory"; path: string };

/** The same, the image's layers found. */
export type RootLayers =
  /** Directories of unpacked layers, top first. With `lazy` some are not there yet. */
  | { kind: "image"; lower: string[]; data?: string[]; lazy?: { layers: LazyLayers; plan: LazyPlan } }
  | { kind: "directory"; path: string };

export type RootOptions = {
  /** What was written may be lost in a power cut: for `--rm` containers and build steps. Much faster on overlay. */
  volatile?: boolean;
  /** The container's ids, where its map is not the usual one. */
  ranges?: IdRanges | undefined;
  /** The helper is about to start the container, and gives what it writes to to its root where the caller is in the map. */
  isStart?: boolean;
  /** For drivers that copy: the owners that follow from them. */
  change?: TreeChange;
};

/** One way to build a root file system. Every method is idempotent. */
export type Driver = {
  readonly name: DriverName;
  /** Drivers of one kind share their layers; the directory under `layers/` is named for it. */
  readonly kind: "overlay" | "vfs";
  /** How a layer's deletions are kept when it is unpacked. */
  readonly whiteouts: "overlay" | "delete";
  /** A layer is unpacked over a full copy of its parent. */
  readonly needsParent: boolean;

  /**
   * Make in `containerDir` (which is there) what the container needs to write to, and say how its root is to be mounted. A second call
   * for the same container finds what it wrote.
   */
  prepareRootfs(
    context: Context,
    source: RootLayers,
    containerDir: string,
    options: RootOptions,
  ): Promise<Rootfs>;
};
