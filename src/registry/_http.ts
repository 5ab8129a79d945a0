import { begun, EngineError, reasonOf } from "../error";
import { redacted } from "./_endpoint";
import { proxyFor } from "./_proxy";
import {
  defaultRetry,
  delayMs,
  isRetryableStatus,
  isWorthRetrying,
  pause,
  type RetryPolicy,
  retryAfterMs,
} from "./_retry";
import { tlsOptions } from "./_tls";
import { errorOfFailure, type Purpose, RegistryError } from "./error";

/**
 * One request, with everything that may stand between it and an answer: proxies, redirects, retries. Bodies of answers are streams that the
 * caller reads or cancels; nothing is decompressed, because digests are of the bytes as they are stored. Bodies of requests can be sent
 * again: bytes in memory, or a part of a file.
 */

export type HttpOptions = {
  env: Record<string, string | undefined>;
  userAgent: string;
  /** Certificates are not checked. */
  isUnverified: boolean;
  /** Directories of certificates for this host, `certs.d/HOST`; what they hold comes on top of the system's authorities. */
  certificates?: readonly string[] | undefined;
  retry?: RetryPolicy | undefined;
  signal?: AbortSignal | undefined;
};

export type Get = {
  purpose: Purpose;
  url: string;
  headers: Record<string, string>;
  /** Default: GET. */
  method?: Method | undefined;
  body?: Uint8Array | Blob | undefined;
  signal?: AbortSignal | undefined;
  /** No second try. */
  isOnce?: boolean;
};

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** The last answer, whatever its status, and the request that it answers (redacted). */
export type Answer = { response: Response; request: string };

type RawFetch = (url: string, options: object) => Promise<Response>;

const redirectsLimit = 10;
const answerTimeoutMs = 60_000; // from the request to the headers
const leastBytesPerMs = 10; // of a body on its way up: 10 kB/s

export class Http {
  #fetch: RawFetch | undefined;
  #tls: { options: Bun.TLSOptions | undefined } | undefined;

  constructor(readonly options: HttpOptions) {}

  /** @throws RegistryError when there is no answer after all retries, or redirects lead nowhere */
  async get(get: Get): Promise<Answer> {
    const policy = this.options.retry ?? defaultRetry;
    for (let attempt = 1; ; attempt++) {
      const isLast = get.isOnce === true || attempt >= policy.attempts;
      try {
        const answer = await this.#follow(get);
        if (isLast || !isRetryableStatus(answer.response.status)) return answer;
        const asked = retryAfterMs(answer.response.headers.get("retry-after"), Date.now());
        const wait = delayMs(policy, attempt, asked);
        if (wait === undefined) return answer;
        await discardBody(answer.response);
        await pause(wait, get.signal);
      } catch (failure) {
        get.signal?.throwIfAborted();
        if (failure instanceof EngineError) throw failure;
        if (isLast || !isWorthRetrying(failure, attempt)) {
          throw errorOfFailure(get.purpose, `${get.method ?? "GET"} ${redacted(get.url)}`, failure);
        }
        await pause(delayMs(policy, attempt, undefined) ?? 0, get.signal);
      }
    }
  }

  /** Redirects are followed by hand: credentials must not go to another host, nor anything from https to http. */
  async #follow(get: Get): Promise<Answer> {
    let url = new URL(get.url);
    const headers = { ...get.headers };
    let method: Method = get.method ?? "GET";
    let body = get.body;
    for (let hop = 0; ; hop++) {
      const request = `${method} ${redacted(url)}`;
      const response = await this.#once(url, headers, get.signal, method, body);
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null)
        return { response, request };
      await discardBody(response);
      const fail = (why: string) =>
        new RegistryError("registry", get.purpose.what, get.purpose.on, why, request, response.status);
      if (hop >= redirectsLimit) throw fail(`more than ${redirectsLimit} redirects`);
      if (!URL.canParse(location, url.href)) throw fail("a redirect to no URL");
      const next = new URL(location, url);
      if (next.protocol !== "https:" && next.protocol !== "http:")
        throw fail(`a redirect to ${next.protocol}`);
      if (url.protocol === "https:" && next.protocol === "http:" && !this.options.isUnverified) {
        throw fail(`a redirect from https to ${redacted(next)}`);
      }
      if (next.origin !== url.origin) delete headers["authorization"];
      if (response.status === 303 && method !== "HEAD") {
        method = "GET";
        body = undefined;
      }
      url = next;
    }
  }

  async #once(
    url: URL,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
    method: Method,
    body: Uint8Array | Blob | undefined,
  ): Promise<Response> {
    const proxy = proxyFor(url, this.options.env);
    if (proxy === undefined) keepFromProxy(url);
    const tls = url.protocol === "https:" ? this.#tlsOptions() : undefined;
    const raw = await this.#rawFetch();
    const late = new AbortController();
    const sizeBytes = body === undefined ? 0 : body instanceof Blob ? body.size : body.length;
    // A body takes its time: it may be slow, but not slower than this.
    const timeoutMs = answerTimeoutMs + sizeBytes / leastBytesPerMs;
    const timer = setTimeout(() => late.abort(timedOut()), Math.min(timeoutMs, 2 ** 31 - 1));
    const done = begun("debug", `${method} ${redacted(url)}`);
    try {
      const response = await raw(url.href, {
        ...(method === "GET" ? {} : { method }),
        ...(body === undefined ? {} : { body }),
        headers: { "user-agent": this.options.userAgent, "accept-encoding": "identity", ...headers },
        signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
        ...(proxy === undefined ? {} : { proxy }),
        ...(tls === undefined ? {} : { tls }),
      });
      done?.(`status ${response.status}`);
      return response;
    } catch (error) {
      done?.(reasonOf(error));
      if (late.signal.aborted) throw late.signal.reason;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #tlsOptions(): Bun.TLSOptions | undefined {
    this.#tls ??= {
      options: tlsOptions(this.options.env, this.options.isUnverified, this.options.certificates),
    };
    return this.#tls.options;
  }

  async #rawFetch(): Promise<RawFetch> {
    if (this.#fetch === undefined) {
      const { createFetch } = await import("ofetch");
      const { raw } = createFetch({
        defaults: {
          retry: false, // ours knows Retry-After and can be interrupted
          ignoreResponseError: true,
          responseType: "stream",
          redirect: "manual",
          decompress: false,
          timeout: 0,
        } as object,
      });
      this.#fetch = raw as unknown as RawFetch;
    }
    return this.#fetch;
  }
}

function timedOut(): Error {
  return Object.assign(new Error("no answer"), { code: "ETIMEDOUT" });
}

/** Bun reads the proxy variables itself for a request without a `proxy`, and knows fewer exceptions; NO_PROXY is the way to tell it. */
function keepFromProxy(url: URL): void {
  const { env } = process;
  if (!env["HTTP_PROXY"] && !env["http_proxy"] && !env["HTTPS_PROXY"] && !env["https_proxy"]) return;
  for (const name of ["NO_PROXY", "no_proxy"]) {
    const list = env[name]?.split(",") ?? [];
    if (!list.includes(url.hostname)) env[name] = [...list, url.hostname].filter(Boolean).join(",");
  }
}

/** Free the connection. */
export async function discardBody(response: Response): Promise<void> {
  try {
    await response.body?.cancel();
  } catch {
    // it has ended by itself
  }
}
