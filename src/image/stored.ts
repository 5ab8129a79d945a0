import { EngineError } from "../error";
import {
  type Digest,
  familiarReference,
  formatReference,
  hasDomain,
  hostPlatform,
  type ImageConfig,
  type ImageRunConfig,
  type Platform,
  parsePlatform,
  parseReference,
  type Reference,
  readImageConfig,
  repositoryOf,
  runsOn,
  withDefaultTag,
} from "../oci";
import { type Context, imageConfig, imagesByIdPrefix, repositoryDigest, tagByName } from "../state";

/** Images in the store, and what users call them. */

export type StoredImage = {
  /** Digest of the config. */
  readonly id: Digest;
  readonly platform: Platform;
  /** How its containers run, in the image spec's names. */
  readonly config: ImageRunConfig;
  /** The name it was found by, in its familiar form; undefined where that was an id. */
  readonly name: string | undefined;
};

/** What a text can mean, tried in this order: a whole id, a name, the beginning of an id. */
export type Found = { id: Digest; by: "id" } | { id: Digest; by: "tag" | "digest"; reference: Reference };

const idForm = /^(?:sha256:)?([0-9a-f]{1,64})$/;

/**
 * The image that TEXT names.
 *
 * @throws EngineError `not-found`, `ambiguous`, or `invalid` where it is no name at all
 */
export function findImage(context: Context, text: string): StoredImage {
  const image = lookUpImage(context, text);
  if (image !== null) return image;
  throw notFound(text);
}

/** Like `findImage`, but null where there is none. */
export function lookUpImage(context: Context, text: string): StoredImage | null {
  const found = lookUp(context, text);
  return found && load(context, found.id, found.by === "id" ? undefined : familiarReference(found.reference));
}

/** The image with this id. Throws `not-found` where it has been removed. */
export function imageById(context: Context, id: string): StoredImage {
  return load(context, id as Digest, undefined) ?? fail(notFound(id));
}

/** The whole config document of an image. */
export function configOf(context: Context, image: { readonly id: string }): ImageConfig {
  const text = imageConfig(context.db(), image.id) ?? fail(notFound(image.id));
  return readImageConfig(`read config: ${image.id}`, Buffer.from(text));
}

export function lookUp(context: Context, text: string): Found | null {
  const hex = idForm.exec(text)?.[1];
  if (hex?.length === 64) return byId(context, text, hex);
  const byName = text.startsWith("sha256:") ? null : lookUpName(context, text);
  if (byName !== null || hex === undefined) return byName;
  return byId(context, text, hex);
}

function byId(context: Context, text: string, hex: string): Found | null {
  const [first, second] = imagesByIdPrefix(context.db(), `sha256:${hex}`);
  if (second !== undefined) {
    throw new EngineError("ambiguous", "find image", text, "several images have ids that begin so", {
      exitCode: 1,
      hint: "type more of the id: proa images --no-trunc",
    });
  }
  return first === undefined ? null : { id: first.id as Digest, by: "id" };
}

function lookUpName(context: Context, text: string): Found | null {
  const given = parseReference(text);
  const db = context.db();
  for (const reference of candidates(text, withDefaultTag(given))) {
    if (reference.digest !== undefined) {
      const row = repositoryDigest(db, repositoryOf(reference), reference.digest);
      if (row !== null) return { id: row.image_id as Digest, by: "digest", reference };
    } else {
      const row = tagByName(db, formatReference(reference));
      if (row !== null) return { id: row.image_id as Digest, by: "tag", reference };
    }
  }
  return null;
}

/** A short name means Docker Hub's image, or else one that was made here: `hello` finds `localhost/hello`. */
function candidates(text: string, reference: Reference): Reference[] {
  if (hasDomain(text)) return [reference];
  return [reference, { ...reference, domain: "localhost", path: reference.path.replace(/^library\//, "") }];
}

function load(context: Context, id: Digest, name: string | undefined): StoredImage | null {
  const text = imageConfig(context.db(), id);
  if (text === null) return null;
  const { platform, config } = readImageConfig(`read config: ${id}`, new TextEncoder().encode(text));
  return { id, platform, config, name };
}

/** Whether the image may be used where PLATFORM was asked for; without a wish any image may. */
export function suits(image: StoredImage, platform: Platform | undefined): boolean {
  return platform === undefined || runsOn(image.platform, platform);
}

/** The image that TEXT names where it is here and for the platform that was asked for, `os/architecture[/variant]`; else null. */
export function usableImage(
  context: Context,
  text: string,
  platform: string | undefined,
): StoredImage | null {
  const image = lookUpImage(context, text);
  return image && suits(image, platform === undefined ? undefined : parsePlatform(platform)) ? image : null;
}

export function isForeign(image: StoredImage): boolean {
  return !runsOn(image.platform, hostPlatform());
}

/** Docker's words, and podman's behind them: scripts of both look for theirs. */
export function notFound(text: string): EngineError {
  return new EngineError("not-found", "No such image", text, "image not known", {
    exitCode: 1,
    hint: "list them: proa images",
  });
}

function fail(error: Error): never {
  throw error;
}
