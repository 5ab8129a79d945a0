import { EngineError } from "../error";
import { familiarReference, formatReference, parseReference, repositoryOf, withDefaultTag } from "../oci";
import { type Context, emit, insertTag, manifestsOfImage, tagsOfImage } from "../state";
import { projectIndex } from "../storage";
import { findImage, notFound } from "./stored";

/** Give the image SOURCE the name TARGET as well, taking it from whichever image had it. */
export async function tagImage(context: Context, source: string, target: string): Promise<void> {
  const image = findImage(context, source);
  const reference = withDefaultTag(parseReference(target));
  if (reference.digest !== undefined) {
    throw new EngineError("invalid", "tag image", target, "a tag cannot have a digest");
  }
  const db = context.db();
  const named = tagsOfImage(db, image.id).find((tag) => tag.name === image.name);
  const manifest = named?.manifest ?? manifestsOfImage(db, image.id)[0];
  if (manifest === undefined) throw notFound("tag image", source);
  insertTag(db, {
    name: formatReference(reference),
    repository: repositoryOf(reference),
    image_id: image.id,
    manifest,
    tagged_ms: context.now(),
  });
  await projectIndex(context);
  emit(context, {
    Type: "image",
    Action: "tag",
    ID: image.id,
    Attributes: { name: familiarReference(reference) },
  });
}
