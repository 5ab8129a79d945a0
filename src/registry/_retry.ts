import { EngineError } from "../error";
import { failureCode, isCertificateFailure } from "./error";

/** When a request is worth a second try, and how long to wait before it. */

export type RetryPolicy = {
  /** Requests in all, the first one included. */
  attempts: number;
  /** Before the second request; doubled for each one after. */
  firstDelayMs: number;
};

export const defaultRetry: RetryPolicy = { attempts: 5, firstDelayMs: 300 };

const delayLimitMs = 10_000; // between two tries of our own choosing
const retryAfterLimitMs = 60_000; // what a registry may ask for before we give up instead

/** Nobody listens there: a registry that restarts comes back within a second or two, and a wrong port never. */
const refusedAttempts = 3;

export function isWorthRetrying(failure: unknown, attempt: number): boolean {
  if (failure instanceof EngineError || isCertificateFailure(failure)) return false;
  const code = failureCode(failure);
  if (code === "ENOTFOUND" || code === "EPROTO") return false;
  return !/ECONNREFUSED|ConnectionRefused/.test(code) || attempt < refusedAttempts;
}

export function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

/** The registry's `Retry-After` (seconds or a date) in milliseconds, or undefined. */
export function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

/** How long to wait after the ATTEMPT-th request (from 1), or undefined where it would be too long. */
export function delayMs(
  policy: RetryPolicy,
  attempt: number,
  askedMs: number | undefined,
): number | undefined {
  if (askedMs !== undefined) return askedMs <= retryAfterLimitMs ? askedMs : undefined;
  const full = Math.min(policy.firstDelayMs * 2 ** (attempt - 1), delayLimitMs);
  return full * (0.5 + Math.random() / 2); // not all clients of a registry at the same moment
}

/** Sleep, unless the signal comes first. Throws the signal's reason. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
