/**
 * Bodies of answers in pieces, and no slower than can be borne: a connection over which nothing comes, or so little that it would never end, counts as broken. Only the
 * time in which we wait counts; a reader that takes its time is no reason.
 */
export type Pace = {
  /** The longest wait for `leastBytes`. */
  windowMs: number;
  leastBytes: number;
};

/** 70 bytes a second: six connections over the slowest mobile network are ten times as fast. */
export const usualPace: Pace = { windowMs: 60_000, leastBytes: 4096 };

/** Throws an Error with the code ETIMEDOUT when the pace is not kept, and the signal's reason. */
export async function* readBody(
  response: Response,
  signal: AbortSignal | undefined,
  pace: Pace = usualPace,
): AsyncGenerator<Uint8Array, void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  let waitingSince = 0; // 0: it is our turn
  let waitedMs = 0; // for the bytes counted in `came`
  let came = 0;
  let isStalled = false;
  const stop = () => void reader.cancel().catch(() => undefined);
  const waitedUntilNow = () => waitedMs + (waitingSince === 0 ? 0 : performance.now() - waitingSince);
  const watch = setInterval(() => {
    if (waitedUntilNow() < pace.windowMs) return;
    isStalled = true;
    stop();
  }, pace.windowMs / 4);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      waitingSince = performance.now();
      const { done, value } = await reader.read();
      waitedMs = waitedUntilNow();
      waitingSince = 0;
      signal?.throwIfAborted();
      if (isStalled) throw tooSlow(came, pace);
      if (done) return;
      came += value.length;
      if (came >= pace.leastBytes) came = waitedMs = 0;
      yield value;
    }
  } finally {
    clearInterval(watch);
    signal?.removeEventListener("abort", stop);
    stop();
  }
}

function tooSlow(came: number, { windowMs }: Pace): Error {
  const what = came === 0 ? "no byte" : `no more than ${came} bytes`;
  return Object.assign(new Error(`${what} in ${Math.round(windowMs / 1000)} seconds`), { code: "ETIMEDOUT" });
}
