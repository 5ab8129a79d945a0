/** Waiting for a container's end. */
import { closeSync, constants, openSync } from "node:fs";
import { EngineError } from "../error";
import { type ContainerRow, type Context, waitUnlocked } from "../state";
import { findContainer } from "./find";
import { runDirectory } from "./places";
import { EXIT_UNKNOWN } from "./settle";

/** Frames of the attach protocol (native/PROTOCOL.md): type, three zeros, length, payload. */
const HEADER_BYTES = 8;
const EXIT_FRAME = 33;

/**
 * Wait until a container has ended and return its exit status. The supervisor tells it to its clients, so that this works for `--rm` containers too,
 * which leave nothing behind. Throws `internal` where nobody saw the end.
 */
export async function waitForContainer(context: Context, row: ContainerRow): Promise<number> {
  if (row.status === "running") {
    const told = await exitFromSupervisor(runDirectory(context, row.id));
    if (told !== null) return told;
    waitUnlocked(runDirectory(context, row.id)); // it was about to end: what it records counts from here on
  }
  const ended = await findContainer(context, "wait", row.id);
  if (ended.exit_code === EXIT_UNKNOWN) {
    throw new EngineError("internal", "wait", row.name, ended.error, { exitCode: 1 });
  }
  return ended.exit_code;
}

/** Connect as a client that only listens. Null where the supervisor is gone, or goes without a word. */
async function exitFromSupervisor(directory: string): Promise<number | null> {
  let fd: number;
  try {
    fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return null;
  }
  try {
    return await new Promise((resolve, reject) => {
      let seen: Buffer = Buffer.alloc(0);
      Bun.connect({
        unix: `/proc/self/fd/${fd}/attach.sock`, // the path itself may be longer than a socket's name can be
        socket: {
          data(_socket, chunk) {
            seen = Buffer.concat([seen, chunk]);
            const code = exitIn(seen);
            if (code !== null) resolve(code);
          },
          close: () => resolve(null),
          error: (_socket, error) => reject(error),
          connectError: () => resolve(null),
        },
      }).catch(() => resolve(null));
    });
  } finally {
    closeSync(fd);
  }
}

/** The status in an EXIT frame, where one is whole. */
function exitIn(bytes: Buffer): number | null {
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    const payload = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    if (bytes[at] === EXIT_FRAME && payload.length >= 4) return payload.readUInt32BE(0);
    at += HEADER_BYTES + length;
  }
  return null;
}
