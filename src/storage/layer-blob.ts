import { closeSync, constants, fsyncSync, mkdirSync, openSync, renameSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { HelperError, type Packed } from "../helper";
import { type Digest, hexOf } from "../oci";
import type { Context } from "../state";
import { makeTemporary } from "./_temporary";
import { blobPath, ensureLayout, hasBlob, hintForSpace, ingestDirectory } from "./content";
import { announceContent } from "./garbage";

/**
 * Store a blob that the helper writes: its digest is known when it is complete. WRITE gets the descriptor of a temporary file; nothing is left of that unless all of
 * it has been written.
 */
export async function receiveBlob(context: Context, write: (fd: number) => Promise<Packed>): Promise<Packed> {
  ensureLayout(context);
  const temporary = makeTemporary(ingestDirectory(context));
  let fd: number | undefined;
  try {
    fd = openSync(temporary.path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o644);
    const packed = await write(fd);
    const digest = packed.digest as Digest;
    if (hasBlob(context, digest, packed.storedBytes)) return packed;
    fsyncSync(fd);
    announceContent(context, [digest], []); // if no image comes to be, the next collector finds it
    mkdirSync(join(context.paths.images, "blobs", "sha256"), { recursive: true });
    renameSync(temporary.path, blobPath(context, `sha256:${hexOf(digest)}` as Digest));
    return packed;
  } catch (error) {
    if (error instanceof EngineError && !(error instanceof HelperError)) throw error;
    const code = error instanceof HelperError ? error.facts.errno : (error as NodeJS.ErrnoException).code;
    const isSpace = code === "ENOSPC" || code === "EDQUOT";
    if (error instanceof HelperError && !isSpace) throw error;
    throw new EngineError("io", "store layer", "", error, { exitCode: 1, ...hintForSpace({ code }) });
  } finally {
    if (fd !== undefined) closeSync(fd);
    try {
      unlinkSync(temporary.path);
    } catch {
      // it was renamed, or never made
    }
    temporary.release();
  }
}
