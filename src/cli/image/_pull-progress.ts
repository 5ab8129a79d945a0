/** A pull with its progress shown. */
import { constants } from "node:os";
import { EngineError } from "../../error";
import { type PullProgress, pullImage, type StoredImage } from "../../image";
import { version } from "../_version";
import type { App } from "../app";
import { pullProgressView } from "../output/progress";
import { type ObtainOptions, warnOfForeign } from "./obtain";

/** Progress goes to stderr. Ctrl-C ends the pull in order: what is whole stays, the rest is removed. */
export async function pullWithProgress(app: App, name: string, options: ObtainOptions): Promise<StoredImage> {
  const { context, io, env } = app;
  const ended = new AbortController();
  const end = (signal: NodeJS.Signals): void => {
    const exitCode = 128 + constants.signals[signal];
    ended.abort(new EngineError("interrupted", "pull image", name, `interrupted by ${signal}`, { exitCode }));
  };
  const view = options.quiet ? undefined : pullProgressView(io.stderr, { env, mode: options.progress });
  let resolved: Extract<PullProgress, { kind: "resolved" }> | undefined;
  const onProgress = (progress: PullProgress): void => {
    if (progress.kind === "layer") {
      view?.update(progress);
    } else {
      resolved = progress;
      view?.message(`${progress.reference}: pulling`);
    }
  };
  process.once("SIGINT", end).once("SIGTERM", end); // once: who asks twice does not want to wait
  try {
    const image = await pullImage(context, name, {
      policy: options.pull,
      platform: options.platform,
      onProgress,
      signal: ended.signal,
      userAgent: `proa/${version}`,
      flags: options.registry,
    });
    view?.finish();
    if (resolved) view?.message(`Digest: ${resolved.digest}`);
    else warnOfForeign(app, name, image, options.platform);
    return image;
  } catch (error) {
    view?.finish();
    throw error;
  } finally {
    process.off("SIGINT", end).off("SIGTERM", end);
  }
}
