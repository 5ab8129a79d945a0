/** Getting an image into the store, with its progress shown. */
import { type PullPolicy, type PullProgress, pullImage, type StoredImage } from "../../image";
import { version } from "../_version";
import type { App } from "../app";
import { pullProgressView } from "../output/progress";

export type ObtainOptions = { pull: PullPolicy; platform: string | undefined; quiet: boolean };

/**
 * The image that `name` means, pulled where the policy says so. Progress goes to stderr. Ctrl-C ends the pull in order: what is whole stays, the rest is removed.
 */
export async function obtainImage(app: App, name: string, options: ObtainOptions): Promise<StoredImage> {
  const { context, io, env } = app;
  const ended = new AbortController();
  const end = () => ended.abort();
  const view = options.quiet ? undefined : pullProgressView(io.stderr, { env });
  let resolved: Extract<PullProgress, { kind: "resolved" }> | undefined;
  const onProgress = (progress: PullProgress): void => {
    if (progress.kind === "layer") return view?.update(progress);
    resolved = progress;
    view?.message(`${progress.reference}: pulling`);
  };
  process.on("SIGINT", end).on("SIGTERM", end);
  try {
    const image = await pullImage(context, name, {
      policy: options.pull,
      platform: options.platform,
      onProgress,
      signal: ended.signal,
      userAgent: `proa/${version}`,
    });
    view?.finish();
    if (resolved) view?.message(`Digest: ${resolved.digest}`);
    return image;
  } catch (error) {
    view?.finish();
    throw error;
  } finally {
    process.off("SIGINT", end).off("SIGTERM", end);
  }
}
