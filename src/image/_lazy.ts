import type { Context } from "../state";
import type { LazyAnswer, LazyRequest } from "../storage";
import type { LazyPull } from "./lazy";
import type { PullOptions } from "./pull";
import type { Pushed, PushOptions } from "./push";
import type { StoredImage } from "./stored";

/** `pullImage()` of `pull.ts`; the registry's modules are loaded with the first call, so that commands which find their image here do not pay for them. */
export async function pullImage(
  context: Context,
  text: string,
  options: PullOptions = {},
): Promise<StoredImage> {
  const { pullImage: pull } = await import("./pull");
  return pull(context, text, options);
}

/** `pushImage()` of `push.ts`, likewise. */
export async function pushImage(
  context: Context,
  text: string,
  target: string | undefined,
  options: PushOptions,
): Promise<Pushed> {
  const { pushImage: push } = await import("./push");
  return push(context, text, target, options);
}

/** `pullLazily()` of `lazy.ts`, likewise. */
export async function pullLazily(context: Context, text: string, options: PullOptions): Promise<LazyPull> {
  const { pullLazily: pull } = await import("./lazy");
  return pull(context, text, options);
}

/** `fetchLazily()` of `lazy-fetcher.ts`, likewise. */
export async function fetchLazily(
  context: Context,
  request: LazyRequest,
  tell: (answer: LazyAnswer) => void,
): Promise<void> {
  const { fetchLazily: fetch } = await import("./lazy-fetcher");
  return fetch(context, request, tell);
}
