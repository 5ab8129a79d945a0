/** Asking the supervisor of a container that lives: one frame of the attach protocol (native/PROTOCOL.md), one answer. */
import { closeSync, constants, openSync } from "node:fs";
import { begun } from "../error";
import { type Facts, HelperError } from "../helper";
import { isLocked } from "../state";

/** What can be asked for. */
export const FRAME = { PAUSE: 41, UNPAUSE: 42, UPDATE: 44, CHECK: 45 } as const;

const REFUSED = 38;
const DONE = 43;
const CHECKED = 46;
const HEADER_BYTES = 8;
const UNANSWERED_MS = 5000;
const LOOK_MS = 2;

/**
 * Ask the supervisor whose run directory this is. Resolves with true when it is done, with false where nobody is there to be asked (the container has
 * ended, or has not started yet).
 *
 * @throws HelperError with the reason, worded by `what`, where it is refused
 */
export async function askSupervisor(
  runDirectory: string,
  frame: number,
  payload: unknown = undefined,
  what = "update",
): Promise<boolean> {
  return (await answerTo(runDirectory, frame, payload, DONE, what)) !== null;
}

/**
 * Have the supervisor make a health check. Resolves with the byte that it is answered by (CHECKED in PROTOCOL.md), or with null where nobody is there to be asked.
 *
 * @throws HelperError where it is refused
 */
export async function askForCheck(runDirectory: string, what: string): Promise<number | null> {
  const payload = await answerTo(runDirectory, FRAME.CHECK, undefined, CHECKED, what);
  return payload?.[0] ?? null;
}

/** The payload of the answer of the WANTED type; null: nobody has answered. */
async function answerTo(
  runDirectory: string,
  frame: number,
  asked: unknown,
  wanted: number,
  what: string,
): Promise<Uint8Array | null> {
  const bytes = encode(frame, asked);
  const done = begun("debug", `ask supervisor: frame ${frame}`);
  const deadline = performance.now() + UNANSWERED_MS;
  let answer: Frame | null;
  do {
    answer = await exchange(runDirectory, bytes, (type) => type === wanted || type === REFUSED);
    // a life that ends takes those with it who have just come: while the lock is held there may be another life to ask
  } while (!answer && isLocked(runDirectory) && performance.now() < deadline && (await pause()));
  done?.(answer === null ? "nobody there" : answer.type === REFUSED ? "refused" : "answered");
  if (answer?.type !== REFUSED) return answer?.payload ?? null;
  throw new HelperError(what, JSON.parse(new TextDecoder().decode(answer.payload)) as Facts);
}

async function pause(): Promise<true> {
  await Bun.sleep(LOOK_MS);
  return true;
}

export type Frame = { type: number; payload: Uint8Array };

/**
 * Connect as a client, send BYTES, and resolve with the first frame that ENDS, or with null where the connection ends before. The path of a socket may be longer
 * than a socket's name can be: it is reached through the directory's descriptor.
 */
export async function exchange(
  runDirectory: string,
  bytes: Uint8Array | null,
  ends: (type: number) => boolean,
): Promise<Frame | null> {
  let fd: number;
  try {
    fd = openSync(runDirectory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return null;
  }
  let seen: Uint8Array<ArrayBufferLike> = new Uint8Array(0);
  try {
    return await new Promise((resolve, reject) => {
      const connected = Bun.connect({
        unix: `/proc/self/fd/${fd}/attach.sock`,
        socket: {
          open(socket) {
            if (bytes) socket.write(bytes); // a few bytes: a socket that has just been made takes them
          },
          data(socket, chunk) {
            seen = joined(seen, chunk);
            const frame = frameIn(seen, ends);
            if (!frame) return;
            resolve(frame);
            socket.end();
          },
          close: () => resolve(null),
          error: (_socket, error) => reject(error),
          connectError: () => resolve(null),
        },
      });
      connected.catch(() => resolve(null));
    });
  } finally {
    closeSync(fd);
  }
}

function encode(type: number, payload: unknown): Uint8Array {
  const text = payload === undefined ? new Uint8Array(0) : new TextEncoder().encode(JSON.stringify(payload));
  const bytes = new Uint8Array(HEADER_BYTES + text.length);
  bytes[0] = type;
  new DataView(bytes.buffer).setUint32(4, text.length);
  bytes.set(text, HEADER_BYTES);
  return bytes;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second.slice();
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** The first whole frame of the wanted types. */
function frameIn(bytes: Uint8Array, ends: (type: number) => boolean): Frame | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const end = at + HEADER_BYTES + view.getUint32(at + 4);
    if (end > bytes.length) return null;
    const type = view.getUint8(at);
    if (ends(type)) return { type, payload: bytes.subarray(at + HEADER_BYTES, end) };
    at = end;
  }
  return null;
}
