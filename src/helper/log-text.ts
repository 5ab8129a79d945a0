/** What the verb `logs` prints, for proa itself. */
import { closeSync, fstatSync, readSync } from "node:fs";
import { helperPath } from "./binary";
import { requestFd, withoutBun } from "./call";
import type { LogsRequest } from "./protocol";
import { memfdCreate } from "./syscalls";

const LIMIT = 1 << 20;

/** Both streams as they were written, the last MiB of them. The request must not be one that follows. */
export async function logText(cacheDir: string, request: LogsRequest): Promise<string> {
  const fd = requestFd(request);
  const output = memfdCreate("proa-logs"); // one description for both streams: what is written first stands first
  try {
    const child = Bun.spawn([helperPath(cacheDir), "logs", "3"], {
      argv0: "proa-logs",
      env: withoutBun(),
      stdio: ["ignore", output, output, fd],
    });
    await child.exited;
    const { size } = fstatSync(output);
    const bytes = new Uint8Array(Math.min(size, LIMIT));
    const n = bytes.length === 0 ? 0 : readSync(output, bytes, 0, bytes.length, size - bytes.length);
    return new TextDecoder().decode(bytes.subarray(0, n));
  } finally {
    closeSync(fd);
    closeSync(output);
  }
}
