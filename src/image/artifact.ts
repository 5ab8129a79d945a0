/**
 * Artifacts: files that travel by registries as images do, a manifest with a blob each (image-spec, "Guidelines for artifact usage"). They lie in the same store, and their
 * rows keep their blobs from the collector.
 */
import { EngineError } from "../error";
import {
  type Digest,
  formatReference,
  type Manifest,
  parseReference,
  readManifest,
  repositoryOf,
  withDefaultTag,
} from "../oci";
import {
  type ArtifactRow,
  allArtifacts,
  artifactByName,
  artifactsByDigestPrefix,
  type Context,
  deleteArtifact,
} from "../state";
import { collectGarbage, projectIndex, readBlob } from "../storage";

export const TITLE = "org.opencontainers.image.title";
export const CREATED = "org.opencontainers.image.created";

export type Artifact = {
  row: ArtifactRow;
  manifest: Manifest;
  /** The manifest as it is stored. */
  document: Record<string, unknown>;
};

/** In full, with a tag. Throws `invalid`. */
export function artifactName(text: string): string {
  return formatReference(withDefaultTag(parseReference(text)));
}

/** By name, or by the beginning of its digest. */
export function lookUpArtifact(context: Context, text: string): ArtifactRow | null {
  const db = context.db();
  const hex = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(text)?.[1];
  const byName = text.startsWith("sha256:") || hex?.length === 64 ? null : rowNamed(context, text);
  if (byName !== null || hex === undefined) return byName;
  const found = artifactsByDigestPrefix(db, `sha256:${hex}`);
  if (new Set(found.map(({ digest }) => digest)).size > 1) {
    throw new EngineError(
      "ambiguous",
      "find artifact",
      text,
      "several artifacts have digests that begin so",
      {
        exitCode: 125,
        hint: "type more of it: proa artifact ls --no-trunc",
      },
    );
  }
  return found[0] ?? null;
}

function rowNamed(context: Context, text: string): ArtifactRow | null {
  const reference = parseReference(text);
  const row = artifactByName(context.db(), formatReference(withDefaultTag(reference)));
  if (row !== null || reference.digest === undefined) return row;
  const same = artifactsByDigestPrefix(context.db(), reference.digest);
  return same.find(({ name }) => repositoryOf(parseReference(name)) === repositoryOf(reference)) ?? null;
}

/** Throws `not-found`, in podman's words. */
export function findArtifact(context: Context, text: string, exitCode = 125): Artifact {
  const row = lookUpArtifact(context, text);
  if (row === null) {
    throw new EngineError("not-found", text, "", "artifact does not exist", {
      exitCode,
      hint: "list them: proa artifact ls",
    });
  }
  return artifactOf(context, row);
}

export function artifactOf(context: Context, row: ArtifactRow): Artifact {
  const what = `read artifact: ${row.name}`;
  const bytes = readBlob(context, row.digest as Digest);
  const manifest = readManifest(what, bytes, row.media_type);
  if (manifest.kind === "index") throw new EngineError("invalid", what, "", "an index");
  return { row, manifest, document: JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown> };
}

export function listArtifacts(context: Context): ArtifactRow[] {
  return allArtifacts(context.db());
}

/** Take an artifact's name away, and with its last name its files. Returns its digest. */
export async function removeArtifact(context: Context, row: ArtifactRow): Promise<Digest> {
  deleteArtifact(context.db(), row);
  await projectIndex(context);
  await collectGarbage(context);
  return row.digest as Digest;
}
