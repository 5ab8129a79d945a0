/** What a container's root is made from: an image, pulled when it is not here, or a directory of the host. */
import { realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type AskedSpec, withImageDefaults } from "../../container";
import { EngineError } from "../../error";
import { hasTransport, imageById, type PullPolicy, type RegistryFlags, type StoredImage } from "../../image";
import type { ContainerSpec } from "../../oci";
import type { ContainerRow } from "../../state";
import type { RootSource } from "../../storage";
import type { App } from "../app";
import { obtainImage } from "../image/obtain";

export type Source = { source: RootSource; imageId: string | null; spec: ContainerSpec };

/** The root and the whole spec of a new container. */
export async function resolveSource(
  app: App,
  asked: AskedSpec,
  options: {
    pull: PullPolicy;
    platform: string | undefined;
    quiet: boolean;
    registry?: RegistryFlags;
    lazy?: boolean;
  },
): Promise<Source> {
  if (asked.HostConfig.Rootfs !== "") {
    const path = rootDirectory(asked.HostConfig.Rootfs);
    const spec = withImageDefaults({ ...asked, HostConfig: { ...asked.HostConfig, Rootfs: path } }, {});
    return { source: { kind: "directory", path }, imageId: null, spec };
  }
  const image = await obtainImage(app, asked.Image, options);
  // an archive's path is no name of an image
  const named = hasTransport(asked.Image) ? { ...asked, Image: image.name ?? image.id } : asked;
  return { source: sourceOfImage(image), imageId: image.id, spec: withImageDefaults(named, image.config) };
}

/** The root of a container that is there already. Throws `not-found` when its image has been removed by force. */
export async function sourceOf(app: App, row: ContainerRow, spec: ContainerSpec): Promise<RootSource> {
  if (row.image_id === null) return { kind: "directory", path: spec.HostConfig.Rootfs };
  return sourceOfImage(imageById(app.context, row.image_id));
}

function sourceOfImage(image: StoredImage): RootSource {
  return { kind: "image", image };
}

function rootDirectory(path: string): string {
  try {
    if (!statSync(path).isDirectory())
      throw new EngineError("invalid", "rootfs", path, "it is not a directory");
    return realpathSync(path);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError("io", "rootfs", path, error);
  }
}

/** The file of `--cidfile`, or nothing where none is asked for: as docker has it an empty name is none. */
export type Cidfile = { write(id: string): void; discard(): void };

/**
 * Make the file of `--cidfile`, empty, before the container: an id is never lost by writing over it, and there is no container whose
 * id could not be told. Throws `in-use`, `io`.
 */
export function claimCidfile(path: string | undefined): Cidfile {
  if (!path) return { write: () => {}, discard: () => {} };
  try {
    writeFileSync(path, "", { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST")
      throw new EngineError("io", "cidfile", path, error);
    throw new EngineError("in-use", "cidfile", path, "it is there already", { hint: "remove it first" });
  }
  return { write: (id) => writeFileSync(path, id), discard: () => rmSync(path, { force: true }) };
}
