/** Waiting for a condition, never for the clock. */

/** Resolves with what `condition` returns once that is truthy. Throws after `timeoutMs` (default 20,000). */
export async function waitUntil<T>(
  condition: () => T | Promise<T>,
  options: { timeoutMs?: number; what?: string } = {},
): Promise<NonNullable<T>> {
  const timeoutMs = options.timeoutMs ?? 20_000;
  const end = performance.now() + timeoutMs;
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end)
      throw new Error(`wait: ${options.what ?? "condition"}: not met within ${timeoutMs} ms`);
    await Bun.sleep(pauseMs);
  }
}

/** For `--since` and `--until`: the next millisecond, so that what has been told in this one is over. */
export function fromNow(): string {
  return String((Date.now() + 1) / 1000);
}
