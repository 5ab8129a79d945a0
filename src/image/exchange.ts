import { read } from "node:fs";
import { EngineError, reasonOf } from "../error";
import { type Digest, isDigest } from "../oci";
import type { Context } from "../state";
import { collectGarbage, hasBlob, whileKept } from "../storage";
import { EXCHANGE_GREETING } from "./greeting";
import { type LoadedImage, type LoadOptions, loadImages } from "./load";
import { saveArchive } from "./save";

/**
 * An image from one store into another through pipes. Both sides say a greeting, so that who has started them knows that they are what they should be. Then a line of JSON each: what layers the image has,
 * `{"layers":[{"digest","size"}]}`, and which of them the other side lacks, `{"lacks":[DIGEST]}`. An OCI archive follows, in which only those layers are. Nothing is removed from the receiving store meanwhile, so
 * what it has when it answers is there when the image is put together.
 */
const lineLimitBytes = 1 << 20;
const layersLimit = 10_000;

export type SendOptions = { signal?: AbortSignal | undefined };

/**
 * Send the image that TEXT names.
 *
 * @param answerFd where the answer comes from
 * @param write takes everything it is given before it returns
 * @throws what `saveArchive()` throws; `invalid` for an answer that is none
 */
export async function sendImage(
  context: Context,
  text: string,
  answerFd: number,
  write: (bytes: Uint8Array) => void,
  { signal }: SendOptions = {},
): Promise<void> {
  const say = (line: string): void => write(new TextEncoder().encode(`${line}\n`));
  say(EXCHANGE_GREETING);
  const lacking = async (layers: readonly Layer[]): Promise<ReadonlySet<Digest>> => {
    say(JSON.stringify({ layers: layers.map(({ digest, size }) => ({ digest, size })) }));
    const answer = parsed((await readLine(answerFd, signal)) ?? "");
    const lacks = (answer as { lacks?: unknown } | null)?.lacks;
    if (!Array.isArray(lacks) || !lacks.every((each) => typeof each === "string" && isDigest(each)))
      throw new EngineError("invalid", "send image", text, "the other side has not said what it lacks");
    return new Set(lacks as Digest[]);
  };
  await saveArchive(context, [text], { format: "oci-archive", lacking, signal }, write);
}

/**
 * Receive an image that `sendImage()` sends.
 *
 * @returns null where the other side ended before it said what it has
 * @throws what `loadImages()` throws; `invalid` for an offer that is none
 */
export async function receiveImage(
  context: Context,
  fd: number,
  say: (line: string) => void,
  options: LoadOptions = {},
): Promise<LoadedImage[] | null> {
  try {
    return await whileKept(context, async () => {
      say(EXCHANGE_GREETING);
      const line = await readLine(fd, options.signal);
      if (line === null) return null;
      const lacks = offered(line).filter(({ digest, size }) => !hasBlob(context, digest, size));
      say(JSON.stringify({ lacks: lacks.map(({ digest }) => digest) }));
      return loadImages(context, fd, options);
    });
  } finally {
    await collectGarbage(context).catch((error: unknown) => context.warn(`clean up: ${reasonOf(error)}`));
  }
}

type Layer = { digest: Digest; size: number };

function offered(line: string): Layer[] {
  const layers = (parsed(line) as { layers?: unknown } | null)?.layers;
  const isLayer = (each: unknown): each is Layer => {
    const { digest, size } = (each ?? {}) as { digest?: unknown; size?: unknown };
    return typeof digest === "string" && isDigest(digest) && Number.isSafeInteger(size);
  };
  if (Array.isArray(layers) && layers.length <= layersLimit && layers.every(isLayer)) return layers;
  throw new EngineError("invalid", "receive image", "", "the other side has not said what it has");
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** Byte by byte: what follows the line is for somebody else. Null at the end of the stream. */
async function readLine(fd: number, signal: AbortSignal | undefined): Promise<string | null> {
  const byte = new Uint8Array(1);
  const bytes: number[] = [];
  for (;;) {
    if ((await readByte(fd, byte, signal)) === 0) return null;
    if (byte[0] === 10) return new TextDecoder().decode(new Uint8Array(bytes));
    bytes.push(byte[0] as number);
    if (bytes.length > lineLimitBytes)
      throw new EngineError("invalid", "exchange image", "", "too long a line");
  }
}

/** Not readSync: nobody may ever write there, and a signal has to be heard meanwhile. */
function readByte(fd: number, byte: Uint8Array, signal: AbortSignal | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal?.reason);
    if (signal?.aborted) return stop();
    signal?.addEventListener("abort", stop, { once: true });
    read(fd, byte, 0, 1, null, (error, count) => {
      signal?.removeEventListener("abort", stop);
      if (error) reject(error);
      else resolve(count);
    });
  });
}
