import { EngineError } from "../error";
import { familiarReference, formatReference, parseReference, repositoryOf, withDefaultTag } from "../oci";
import {
  type Context,
  deleteTag,
  emit,
  insertTag,
  manifestsOfImage,
  type TagRow,
  tagsOfImage,
} from "../state";
import { collectGarbage, projectIndex } from "../storage";
import { familiarName } from "./familiar";
import { findImage, lookUp, notFound } from "./stored";

/** Give the image SOURCE the name TARGET as well, taking it from whichever image had it. */
export async function tagImage(context: Context, source: string, target: string): Promise<void> {
  const image = findImage(context, source);
  const reference = withDefaultTag(parseReference(target));
  if (reference.digest !== undefined) {
    throw new EngineError(
      "invalid",
      "tag image",
      target,
      "refusing to create a tag with a digest reference",
      {
        exitCode: 1,
      },
    );
  }
  const db = context.db();
  const named = tagsOfImage(db, image.id).find((tag) => tag.name === image.name);
  const manifest = named?.manifest ?? manifestsOfImage(db, image.id)[0];
  if (manifest === undefined) throw notFound(source);
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

/**
 * Take names from the image that TEXT names: those in NAMES, or all where there are none. The image stays.
 *
 * @throws EngineError `not-found` for a name that the image does not have; nothing has been done then
 */
export async function untagImage(
  context: Context,
  text: string,
  names: readonly string[],
): Promise<string[]> {
  const image = findImage(context, text);
  const db = context.db();
  const tags = tagsOfImage(db, image.id);
  const chosen = names.length === 0 ? tags : names.map((name) => tagCalled(context, tags, name, image.id));
  const gone = chosen.filter((tag) => deleteTag(db, tag) !== null).map((tag) => familiarName(tag.name));
  if (gone.length > 0) await projectIndex(context);
  for (const name of gone) {
    emit(context, { Type: "image", Action: "untag", ID: image.id, Attributes: { name } });
  }
  await collectGarbage(context);
  return gone;
}

function tagCalled(context: Context, tags: readonly TagRow[], name: string, id: string): TagRow {
  const found = lookUp(context, name);
  const full = found?.by === "tag" && found.id === id ? formatReference(found.reference) : undefined;
  const tag = tags.find((each) => each.name === full);
  if (tag !== undefined) return tag;
  throw new EngineError("not-found", "untag image", name, "tag not known", {
    exitCode: 1,
    hint: `the names of the image: ${tags.map((each) => familiarName(each.name)).join(" ") || "none"}`,
  });
}
