/** `--lazy`: an image whose containers may start while its layers are coming. */
import { constants } from "node:os";
import { EngineError } from "../../error";
import { pullLazily, type StoredImage } from "../../image";
import { version } from "../_version";
import type { App } from "../app";
import { type ObtainOptions, warnOfForeign } from "./obtain";

/** Null where it has to be pulled whole; why has been said. */
export async function obtainLazily(
  app: App,
  name: string,
  options: ObtainOptions,
): Promise<StoredImage | null> {
  const { context, io } = app;
  const ended = new AbortController();
  const end = (signal: NodeJS.Signals): void => {
    const exitCode = 128 + constants.signals[signal];
    ended.abort(new EngineError("interrupted", "pull image", name, `interrupted by ${signal}`, { exitCode }));
  };
  process.once("SIGINT", end).once("SIGTERM", end);
  try {
    const pulled = await pullLazily(context, name, {
      policy: options.pull,
      platform: options.platform,
      signal: ended.signal,
      userAgent: `proa/${version}`,
      flags: options.registry,
    });
    if ("plain" in pulled) {
      if (options.pull !== "never") context.warn(`${name} is pulled whole: ${pulled.plain}`);
      return null;
    }
    const { image, isLazy, digest } = pulled;
    if (isLazy && !options.quiet) {
      io.stderr.write(`${name}: its layers follow in the background\n`);
      if (digest !== undefined) io.stderr.write(`Digest: ${digest}\n`);
    }
    warnOfForeign(app, name, image, options.platform);
    return image;
  } finally {
    process.off("SIGINT", end).off("SIGTERM", end);
  }
}
