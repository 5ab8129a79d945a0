import { EngineError } from "../error";
import { familiarRepository, formatReference, repositoryOf, shortDigest } from "../oci";
import {
  type Context,
  containersUsingImage,
  deleteImage,
  deleteRepositoryDigest,
  deleteTag,
  emit,
  repositoryDigestsOfImage,
  type TagRow,
  tagsOfImage,
} from "../state";
import { collectGarbage, projectIndex } from "../storage";
import { familiarName } from "./familiar";
import { type Found, lookUp, notFound } from "./stored";

/** Removing names, and images whose last name has gone. */

/** One line of docker's answer: `Untagged: debian:bookworm` or `Deleted: sha256:…`. */
export type Removed = { kind: "untagged" | "deleted"; name: string };

export type RemoveOptions = {
  /** Remove all names of an image, and its names even while containers that are not running use it. */
  isForced?: boolean;
};

/**
 * Remove what TEXT names: a name, and with its last name the image; or by id the image with all its names. The layers and blobs that nothing else refers to
 * go with it.
 *
 * @throws EngineError `not-found`, `ambiguous`, `in-use` (naming the containers)
 */
export async function removeImage(
  context: Context,
  text: string,
  options: RemoveOptions = {},
): Promise<Removed[]> {
  const found = lookUp(context, text);
  if (found === null) throw notFound(text);
  const removed =
    found.by === "id" ? removeById(context, text, found, options) : removeName(context, text, found, options);
  for (const { kind, name } of removed) {
    const isImage = kind === "untagged" || name === found.id; // docker tells nothing of layers
    const Action = kind === "untagged" ? "untag" : "delete";
    if (isImage) emit(context, { Type: "image", Action, ID: found.id, Attributes: { name } });
  }
  await projectIndex(context);
  await collectGarbage(context);
  return removed;
}

function removeById(context: Context, text: string, found: Found, options: RemoveOptions): Removed[] {
  const { id } = found;
  const db = context.db();
  const tags = tagsOfImage(db, id);
  const isForced = options.isForced ?? false;
  if (new Set(tags.map((tag) => tag.repository)).size > 1 && !isForced) {
    throw conflict(
      `unable to delete ${shortDigest(id)} (must be forced) - image is referenced in multiple repositories`,
      `remove them one by one, or all with --force: ${tags.map((tag) => familiarName(tag.name)).join(" ")}`,
    );
  }
  refuseUsed(context, text, found, isForced);
  return [
    ...tags.flatMap((tag) => untag(context, tag)),
    ...untagDigests(context, id),
    ...remove(context, id),
  ];
}

function removeName(context: Context, text: string, found: Found, options: RemoveOptions): Removed[] {
  if (found.by === "id") return [];
  const { id, reference } = found;
  const db = context.db();
  const tags = tagsOfImage(db, id);
  const name = formatReference(reference);
  if (found.by === "digest") {
    const digests = repositoryDigestsOfImage(db, id);
    const isLast = tags.length === 0 && digests.length === 1;
    if (isLast) refuseUsed(context, text, found, options.isForced ?? false);
    const row = digests.find(
      (one) => one.repository === repositoryOf(reference) && one.digest === reference.digest,
    );
    if (row === undefined) throw notFound(text); // somebody else has just removed it
    deleteRepositoryDigest(db, row);
    return [digestLine(row), ...(isLast ? remove(context, id) : [])];
  }
  const tag = tags.find((row) => row.name === name);
  if (tag === undefined) throw notFound(text); // somebody else has just removed it
  const isLast = tags.length === 1;
  if (isLast) refuseUsed(context, text, found, options.isForced ?? false);
  const lines = untag(context, tag);
  if (lines.length === 0) throw notFound(text); // somebody else was faster
  return isLast ? [...lines, ...untagDigests(context, id), ...remove(context, id)] : lines;
}

/** Containers need their image's layers. A name may be taken by force from an image whose containers do not run: they keep the layers. */
function refuseUsed(context: Context, text: string, found: Found, isForced: boolean): void {
  const users = containersUsingImage(context.db(), found.id);
  if (users.length === 0) return;
  const running = users.filter((row) => row.status === "running");
  if (isForced && running.length === 0) return;
  const user = running[0] ?? users[0];
  if (user === undefined) return;
  const image = shortDigest(found.id);
  const container = `container ${user.id.slice(0, 12)}`;
  const why =
    found.by !== "id" && !isForced
      ? `unable to remove repository reference "${text}" (must force) - ${container} is using its referenced image ${image}`
      : running.length > 0
        ? `unable to delete ${image} (cannot be forced) - image is being used by running ${container}`
        : `unable to delete ${image} (must be forced) - image is being used by stopped ${container}`;
  const names = (running.length > 0 ? running : users).map((row) => row.name);
  const more = names.length > 5 ? ` (and ${names.length - 5} more)` : "";
  throw conflict(
    why,
    `remove the container first: proa rm${running.length > 0 ? " --force" : ""} ${names.slice(0, 5).join(" ")}${more}`,
  );
}

/** Docker's words for what others hold. */
function conflict(why: string, hint: string): EngineError {
  return new EngineError("in-use", `conflict: ${why}`, "", "", { exitCode: 1, hint });
}

function untag(context: Context, tag: TagRow): Removed[] {
  const digests = deleteTag(context.db(), tag);
  if (digests === null) return [];
  return [{ kind: "untagged", name: familiarName(tag.name) }, ...digests.map(digestLine)];
}

function untagDigests(context: Context, id: string): Removed[] {
  const rows = repositoryDigestsOfImage(context.db(), id);
  for (const row of rows) deleteRepositoryDigest(context.db(), row);
  return rows.map(digestLine);
}

function digestLine(row: { repository: string; digest: string }): Removed {
  return { kind: "untagged", name: `${familiarRepository(row.repository)}@${row.digest}` };
}

/** The image itself, unless a container still needs it (its names were taken by force, or one was created just now). */
function remove(context: Context, id: string): Removed[] {
  const layers = deleteImage(context.db(), id);
  if (layers === null) return [];
  return [id, ...layers].map((name) => ({ kind: "deleted", name }));
}
