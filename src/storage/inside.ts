/** Reading a small file below a directory that is hostile. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { openInRoot } from "../helper";

export const fileLimitBytes = 1 << 20; // /etc/passwd of a large site is a tenth of it

/** The text of a regular file below ROOT; links are resolved as if ROOT were `/`. Null where it cannot be read. */
export function readInside(root: string, path: string): string | null {
  let rootFd: number;
  try {
    rootFd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return null;
  }
  try {
    const fd = openInRoot(rootFd, path);
    try {
      return readSmall(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    return null;
  } finally {
    closeSync(rootFd);
  }
}

function readSmall(fd: number): string | null {
  const stat = fstatSync(fd);
  if (!stat.isFile() || stat.size > fileLimitBytes) return null;
  const buffer = new Uint8Array(stat.size);
  let length = 0;
  while (length < buffer.length) {
    const n = readSync(fd, buffer, length, buffer.length - length, length);
    if (n === 0) break;
    length += n;
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(buffer.subarray(0, length));
}
