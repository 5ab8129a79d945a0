/** Short names of images that are here under another: by an alias of registries.conf, or from a registry that is searched. */
import { lookUpImage } from "../../image";
import { formatReference, hasDomain, withDefaultTag } from "../../oci";
import { candidatesOf } from "../../registry";
import type { Context } from "../../state";

/** The whole name that TEXT may stand for, of an image that is here. Undefined where there is none; a registries.conf that cannot be read is told of by who pulls. */
export function nameBehind(context: Context, text: string): string | undefined {
  return namesBehind(context, text).find((name) => lookUpImage(context, name) !== null);
}

/** Every whole name, in the order in which they are tried. */
export function namesBehind(context: Context, text: string): string[] {
  if (hasDomain(text)) return [];
  try {
    return candidatesOf(text, context.env).map((reference) => formatReference(withDefaultTag(reference)));
  } catch {
    return [];
  }
}
