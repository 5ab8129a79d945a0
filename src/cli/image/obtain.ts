/** Getting an image: from the store, or into it. */
import { isForeign, type PullPolicy, type StoredImage, usableImage } from "../../image";
import { formatPlatform, hostPlatform } from "../../oci";
import type { App } from "../app";

export type ObtainOptions = { pull: PullPolicy; platform: string | undefined; quiet: boolean };

/** The image that `name` means, pulled where the policy says so. What only a pull needs is loaded only for one. */
export async function obtainImage(app: App, name: string, options: ObtainOptions): Promise<StoredImage> {
  const here = options.pull === "missing" ? usableImage(app.context, name, options.platform) : null;
  if (here === null) {
    const { pullWithProgress } = await import("./_pull-progress");
    return pullWithProgress(app, name, options);
  }
  warnOfForeign(app, name, here, options.platform);
  return here;
}

/** An image that was here already: a pull has said so itself. */
export function warnOfForeign(app: App, name: string, image: StoredImage, asked: string | undefined): void {
  if (asked !== undefined || !isForeign(image)) return;
  app.context.warn(
    `${name} is for ${formatPlatform(image.platform)}, this host is ${formatPlatform(hostPlatform())}`,
  );
}
