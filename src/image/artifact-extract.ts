/** The files of an artifact, out of the store. */
import { copyFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { type Descriptor, hexOf } from "../oci";
import type { Context } from "../state";
import { blobPath, hasBlob } from "../storage";
import { type Artifact, TITLE } from "./artifact";

/** Which of its files; all where neither is given. */
export type Which = { digest?: string | undefined; title?: string | undefined };

export function chosenFiles({ row, manifest }: Artifact, { digest, title }: Which): Descriptor[] {
  const { layers } = manifest;
  if (digest === undefined && title === undefined) return layers;
  const found = layers.filter((layer) =>
    digest === undefined ? layer.annotations?.[TITLE] === title : matches(layer.digest, digest),
  );
  const [first, second] = found;
  const fail = (why: string) =>
    new EngineError(second === undefined ? "not-found" : "ambiguous", "extract artifact", row.name, why, {
      exitCode: 125,
    });
  if (first === undefined)
    throw fail(
      digest === undefined
        ? `no blob with the title ${JSON.stringify(title)}`
        : `no blob with the digest ${JSON.stringify(digest)}`,
    );
  if (second !== undefined && digest !== undefined && first.digest !== second.digest)
    throw fail("several blobs have digests that begin so");
  return [first];
}

function matches(digest: string, wanted: string): boolean {
  const hex = wanted.replace(/^sha256:/, "");
  return hex !== "" && digest.startsWith(`sha256:${hex}`);
}

/**
 * Copy files to PATH: into it where that is a directory, under their titles (without one, or where that is not wanted: under their digests), else to it, of which there
 * can be one only. A title is a stranger's word: it names a file in the directory and nothing else.
 */
export function extractArtifact(context: Context, artifact: Artifact, path: string, which: Which): void {
  const files = chosenFiles(artifact, which);
  const { name } = artifact.row;
  const fail = (why: unknown) => new EngineError("io", "extract artifact", name, why, { exitCode: 125 });
  const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (!isDirectory && files.length !== 1) {
    throw fail(
      files.length === 0
        ? "it has no blobs"
        : `it consists of several blobs and the target ${JSON.stringify(path)} is not a directory and neither digest or title was specified to only copy a single blob`,
    );
  }
  const targets = files.map((file) => ({ file, to: isDirectory ? join(path, fileName(name, file)) : path }));
  for (const { file, to } of targets) {
    if (!hasBlob(context, file.digest, file.size))
      throw fail(`blob ${file.digest} is no longer in the store`);
    try {
      copyFileSync(blobPath(context, file.digest), to);
    } catch (error) {
      throw fail(error);
    }
  }
}

function fileName(artifact: string, file: Descriptor): string {
  const title = file.annotations?.[TITLE];
  if (title === undefined || title === "") return `sha256-${hexOf(file.digest)}`;
  if (title === "." || title === ".." || /[/\0]/.test(title)) {
    const why = `the title ${JSON.stringify(title)} is no name of a file`;
    throw new EngineError("invalid", "extract artifact", artifact, why, {
      exitCode: 125,
      hint: `give it one: proa artifact extract --digest ${file.digest.slice(0, 19)} ${artifact} FILE`,
    });
  }
  return title;
}
