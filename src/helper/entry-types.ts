import { ptr } from "bun:ffi";
import { closeSync, constants, openSync } from "node:fs";
import { call, checked, SYS } from "./_libc";

const DT_UNKNOWN = 0;

/** Whether the entries of a directory carry their type, as overlay needs it (getdents64(2), d_type at 18); null where it has none. Throws the system's error. */
export function hasEntryTypes(directory: string): boolean | null {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const bytes = new Uint8Array(4096);
    const n = checked(call(SYS.getdents64, fd, ptr(bytes), bytes.length), "scandir", directory);
    for (let at = 0; at < n; at += (bytes[at + 16] ?? 0) | ((bytes[at + 17] ?? 0) << 8)) {
      if (bytes[at + 19] !== 0x2e) return bytes[at + 18] !== DT_UNKNOWN; // "." and "..", which some file systems tell apart
    }
    return null;
  } finally {
    closeSync(fd);
  }
}
