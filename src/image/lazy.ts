/** Pulling an image so that its containers can start before its layers are here. */
import { EngineError } from "../error";
import { parsePlatform } from "../oci";
import type { Context } from "../state";
import { type LazyRequest, selectDriver, startFetcher } from "../storage";
import { embeddedImage } from "./embedded";
import type { PullOptions } from "./pull";
import { imageById, lookUpImage, type StoredImage, suits } from "./stored";

export type LazyPull =
  /** `isLazy`: its layers are on their way. `digest`: of its manifest, where a registry was asked. */
  | { image: StoredImage; isLazy: boolean; digest: string | undefined }
  /** It has to be pulled whole, and why. */
  | { plain: string };

/**
 * As `pullImage()`, but returns as soon as tables of contents say what is in the layers, which another process then brings.
 *
 * @throws EngineError as `pullImage()`
 */
export async function pullLazily(context: Context, text: string, options: PullOptions): Promise<LazyPull> {
  const { policy = "always", platform, signal, userAgent = "proa", flags = {} } = options;
  const local = policy === "always" ? null : lookUpImage(context, text);
  const isUsable = local && suits(local, platform === undefined ? undefined : parsePlatform(platform));
  if (isUsable && policy !== "newer") return { image: local, isLazy: false, digest: undefined };
  const embedded = await embeddedImage(context, text);
  if (embedded !== null) return { image: embedded, isLazy: false, digest: undefined };
  if (policy === "never") return { plain: "it is not to be pulled" };
  const { driver } = await selectDriver(context);
  if (driver.name !== "overlay") return { plain: `the storage driver is ${driver.name}, not overlay` };
  const request: LazyRequest = { image: { name: text, platform, policy }, flags, userAgent };
  const answer = await startFetcher(context, driver, request, signal);
  if ("plain" in answer) return answer;
  const { imageId, isLazy, digest } = answer.ready;
  const named = lookUpImage(context, text);
  const image = named?.id === imageId ? named : imageById(context, imageId);
  if (image === null) throw new EngineError("not-found", "pull image", text, "it was removed meanwhile");
  return { image, isLazy, digest };
}
