/** Getting an image: from the store, or into it. */

import { EngineError } from "../../error";
import {
  hasTransport,
  isForeign,
  type LocalTransport,
  type PullPolicy,
  parseTransport,
  type RegistryFlags,
  type StoredImage,
  usableImage,
} from "../../image";
import { formatPlatform, hostPlatform } from "../../oci";
import type { App } from "../app";
import type { ProgressMode } from "../output/progress-modes";

export type ObtainOptions = {
  pull: PullPolicy;
  platform: string | undefined;
  quiet: boolean;
  progress?: ProgressMode;
  registry?: RegistryFlags;
  /** Its layers may follow later. */
  lazy?: boolean;
};

/** The image that `name` means, pulled where the policy says so. What only a pull needs is loaded only for one. */
export async function obtainImage(app: App, text: string, options: ObtainOptions): Promise<StoredImage> {
  let name = text;
  if (hasTransport(text)) {
    const transport = parseTransport(text);
    if (transport.kind !== "docker") return obtainArchived(app, transport, options);
    name = transport.name;
  }
  const here = options.pull === "missing" ? usableImage(app.context, name, options.platform) : null;
  if (here === null && options.lazy) {
    const lazy = await (await import("./_lazy-pull")).obtainLazily(app, name, options);
    if (lazy !== null) return lazy;
  }
  if (here === null) {
    const { pullWithProgress } = await import("./_pull-progress");
    return pullWithProgress(app, name, options);
  }
  warnOfForeign(app, name, here, options.platform);
  return here;
}

/** Always read anew: the archive may hold another image than it did. */
async function obtainArchived(
  app: App,
  transport: LocalTransport,
  options: ObtainOptions,
): Promise<StoredImage> {
  const { obtainLocal } = await import("./_local");
  const [image] = await obtainLocal(app, transport, { ...options, single: true });
  if (image === undefined)
    throw new EngineError("not-found", "find image", transport.path, "there is none in it");
  return image;
}

/** An image that was here already: a pull has said so itself. */
export function warnOfForeign(app: App, name: string, image: StoredImage, asked: string | undefined): void {
  if (asked !== undefined || !isForeign(image)) return;
  app.context.warn(
    `${name} is for ${formatPlatform(image.platform)}, this host is ${formatPlatform(hostPlatform())}`,
  );
}
