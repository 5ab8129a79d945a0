/** Small files that others read at any time. */
import { closeSync, openSync, readSync, renameSync, writeFileSync } from "node:fs";

/** Give `path` this content, 0600, by one rename: a reader sees the one before or this one. Not synced: for what a power cut may undo. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
}

/** The text of a file, which may be a pipe; one that has more than `most` bytes, or does not end, is not read to its end. Throws. */
export function readText(path: string, most: number): string {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const fd = openSync(path, "r");
  try {
    for (;;) {
      const chunk = new Uint8Array(64 << 10);
      const length = readSync(fd, chunk, 0, chunk.length, null);
      if (length === 0) return Buffer.concat(chunks).toString("utf8");
      chunks.push(chunk.subarray(0, length));
      size += length;
      if (size > most) throw new Error(`it is longer than ${most} bytes`);
    }
  } finally {
    closeSync(fd);
  }
}
