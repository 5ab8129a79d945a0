/** Small files that others read at any time. */
import { renameSync, writeFileSync } from "node:fs";

/** Give `path` this content, 0600, by one rename: a reader sees the one before or this one. Not synced: for what a power cut may undo. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
}
