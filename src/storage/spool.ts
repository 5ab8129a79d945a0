import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { EngineError } from "../error";
import type { Context } from "../state";
import { makeTemporary } from "./_temporary";
import { ensureLayout, hintForSpace, ingestDirectory } from "./content";

/** A file without a name: however its owner ends, nothing is left of it. */
export type Spooled = { fd: number; sizeBytes: number; close(): void };

/** Put a stream that has to be read more than once on the disk. Throws `io`, or what the stream throws. */
export async function spool(context: Context, source: AsyncIterable<Uint8Array>): Promise<Spooled> {
  ensureLayout(context);
  const temporary = makeTemporary(ingestDirectory(context));
  let fd: number | undefined;
  try {
    fd = openSync(temporary.path, "wx+", 0o600);
    unlinkSync(temporary.path);
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw new EngineError("io", "store archive", "", error, { exitCode: 1, ...hintForSpace(error) });
  } finally {
    temporary.release();
  }
  const opened = fd;
  let sizeBytes = 0;
  try {
    for await (const chunk of source) {
      for (let done = 0; done < chunk.length; ) done += write(opened, chunk, done);
      sizeBytes += chunk.length;
    }
  } catch (error) {
    closeSync(opened);
    throw error;
  }
  return { fd: opened, sizeBytes, close: () => closeSync(opened) };
}

function write(fd: number, chunk: Uint8Array, from: number): number {
  try {
    return writeSync(fd, chunk, from);
  } catch (error) {
    throw new EngineError("io", "store archive", "", error, { exitCode: 1, ...hintForSpace(error) });
  }
}

const pieceBytes = 512 << 10;

/** Bytes of an open file in pieces, from a position on; what is missing at its end is the reader's to notice. */
export async function* readPieces(fd: number, from: number, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < sizeBytes; ) {
    const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, sizeBytes - done));
    const got = readSync(fd, piece, 0, piece.length, from + done);
    if (got === 0) return;
    done += got;
    yield piece.subarray(0, got);
  }
}
