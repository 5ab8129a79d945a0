/** The files of images, mounted to be read by who works in `proa unshare`. */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { callHelper, isUnshared, type Rootfs, umount } from "../helper";
import { hexOf } from "../oci";
import { type Context, isMountPoint, makePrivateDirectory } from "../state";
import { rootLayers, selectDriver } from "../storage";
import type { StoredImage } from "./stored";

const directoryOf = (context: Context): string => join(context.paths.data, "mounted-images");

function placeOf(context: Context, image: { readonly id: string }): string {
  return join(directoryOf(context), hexOf(image.id as StoredImage["id"]));
}

/** Throws `unsupported` outside, where no mount of ours would be seen by anybody. */
function checkUnshared(what: string, name: string): void {
  if (isUnshared()) return;
  const hint = `proa unshare proa ${what}${name === "" ? "" : ` ${name}`}`;
  const why = "an image is mounted in the user namespace that owns its files";
  throw new EngineError("unsupported", what, name, why, { exitCode: 1, hint });
}

/** Mount it, if it is not, and say where. */
export async function mountImage(context: Context, image: StoredImage, name: string): Promise<string> {
  checkUnshared("image mount", name);
  const target = placeOf(context, image);
  if (isMountPoint(target)) return target;
  const { driver } = await selectDriver(context);
  const layers = await rootLayers(context, driver, { kind: "image", image });
  makePrivateDirectory(directoryOf(context), context.uid);
  mkdirSync(target, { recursive: true, mode: 0o700 });
  const empty = join(directoryOf(context), "empty");
  mkdirSync(empty, { recursive: true, mode: 0o755 });
  const lower = layers.kind === "image" ? layers.lower : [layers.path];
  const rootfs: Rootfs =
    driver.needsParent && lower[0] !== undefined
      ? { driver: "plain", path: lower[0] }
      : {
          driver: "overlay",
          lower: lower.length > 0 ? lower : [empty],
          upper: empty,
          work: empty,
          volatile: false,
        };
  await callHelper(context.paths.cache, "mount-root", { rootfs, target, readonly: true });
  return target;
}

/** Returns false where it is not mounted here. */
export function unmountImage(
  context: Context,
  image: { readonly id: string },
  name: string,
  force: boolean,
): boolean {
  checkUnshared("image unmount", name);
  const target = placeOf(context, image);
  if (!isMountPoint(target)) return false;
  try {
    umount(target, force);
  } catch (error) {
    throw new EngineError("in-use", "image unmount", name, error, {
      exitCode: 1,
      hint: "something still uses it; --force takes it out of sight all the same",
    });
  }
  return true;
}

/** Ids of the images that are mounted here, and where. */
export function mountedImages(context: Context): { id: string; path: string }[] {
  checkUnshared("image mount", "");
  const directory = directoryOf(context);
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .map((hex) => ({ id: `sha256:${hex}`, path: join(directory, hex) }))
    .filter(({ path }) => isMountPoint(path));
}
