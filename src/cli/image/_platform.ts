import { EngineError } from "../../error";
import { formatPlatform, type Platform, parsePlatform, runsOn } from "../../oci";

/** Throws `not-found` where the image that NAME stands for here is for another platform than was asked for. */
export function checkPlatform(
  what: string,
  name: string,
  image: { readonly platform: Platform },
  asked: string | undefined,
): void {
  if (asked === undefined || runsOn(image.platform, parsePlatform(asked))) return;
  const why = `image with reference ${name} was found but it is for ${formatPlatform(image.platform)}, not ${asked}`;
  throw new EngineError("not-found", what, name, why, {
    exitCode: 1,
    hint: `pull it: proa pull --platform ${asked} ${name}`,
  });
}
