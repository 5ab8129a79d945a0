import { EngineError } from "../error";
import { type Descriptor, type Digest, digestOf, isDigest, manifestTypes, verifyBytes } from "../oci";
import { type Challenge, parseChallenges, tokenIn, tokenUrl } from "./_auth";
import { endpointOf, redacted } from "./_endpoint";
import { type Answer, discardBody, Http, type HttpOptions } from "./_http";
import { defaultRetry, delayMs, pause } from "./_retry";
import { errorOfFailure, errorOfResponse, type Purpose, RegistryError, readBounded } from "./error";

/** The pulling half of the distribution protocol (OCI distribution spec 1.1, "Pull"). */

export type RegistryOptions = Omit<HttpOptions, "isUnverified"> & {
  /** Plain HTTP, and certificates that nobody vouches for. This machine's own registries are spoken to in plain HTTP anyway. */
  isInsecure?: boolean;
};

/** A manifest as the registry has it, byte for byte, its digest verified. */
export type FetchedManifest = { bytes: Uint8Array; contentType: string | undefined; digest: Digest };

const manifestLimitBytes = 4 << 20; // distribution spec: registries take at least that, and no image needs more
const tokenLimitBytes = 1 << 20;
const stallMs = 60_000; // without a byte from a blob: the connection counts as broken
const progressBytes = 1 << 20; // that much since the last break, and the count of breaks starts anew

export class RegistryClient {
  readonly #http: Http;
  #endpoint: Promise<string> | undefined;
  /** Tokens by scope; a promise, so that parallel requests ask once. */
  readonly #tokens = new Map<string, Promise<string>>();

  constructor(
    readonly domain: string,
    readonly options: RegistryOptions,
  ) {
    const isInsecure = options.isInsecure ?? false;
    this.#http = new Http({ ...options, isUnverified: isInsecure });
  }

  /** The URL of the API's root. Where plain HTTP is allowed, TLS is tried first: an insecure registry may have either. */
  #root(signal: AbortSignal | undefined): Promise<string> {
    this.#endpoint ??= this.#findRoot(signal);
    return this.#endpoint;
  }

  async #findRoot(signal: AbortSignal | undefined): Promise<string> {
    const secure = endpointOf(this.domain);
    if (!this.options.isInsecure || secure.startsWith("http:")) return secure;
    try {
      const purpose = { what: "reach registry", on: this.domain };
      const answer = await this.#http.get({ purpose, url: `${secure}/`, headers: {}, signal, isOnce: true });
      await discardBody(answer.response);
      return secure;
    } catch (error) {
      if (!(error instanceof RegistryError) || error.status !== 0) throw error;
      return secure.replace("https:", "http:");
    }
  }

  /**
   * A manifest or an index.
   *
   * @param repository path within the registry, `library/debian`
   * @param reference tag or digest
   * @throws RegistryError `not-found`, `unauthorized`, `registry`; EngineError `digest-mismatch`
   */
  async fetchManifest(repository: string, reference: string, signal?: AbortSignal): Promise<FetchedManifest> {
    const separator = isDigest(reference) ? "@" : ":";
    const purpose = { what: "fetch manifest", on: `${this.domain}/${repository}${separator}${reference}` };
    const url = `${await this.#root(signal)}/${repository}/manifests/${reference}`;
    const answer = await this.#get(purpose, repository, url, { accept: manifestTypes.join(", ") }, signal);
    if (answer.response.status !== 200) throw await errorOfResponse(purpose, answer.request, answer.response);
    refuseWebPage(purpose, answer);
    const bytes = await this.#readAll(purpose, answer, manifestLimitBytes);
    return {
      bytes,
      contentType: answer.response.headers.get("content-type") ?? undefined,
      digest: verifiedDigest(purpose, bytes, reference, answer.response.headers.get("docker-content-digest")),
    };
  }

  /** A small blob (a config), whole and verified. */
  async fetchBlob(
    repository: string,
    blob: Descriptor,
    limitBytes: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const purpose = this.#blobPurpose(repository, blob);
    if (blob.size > limitBytes) {
      const why = `${blob.size} bytes, the limit is ${limitBytes}`;
      throw new EngineError("invalid", purpose.what, purpose.on, why);
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.streamBlob(repository, blob, signal)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    verifyBytes(`${purpose.what}: ${purpose.on}`, bytes, blob.digest, blob.size);
    return bytes;
  }

  /**
   * The bytes of a blob as they come. A broken connection is taken up again where it broke; exactly `blob.size` bytes come, or an error. The
   * digest is the reader's to verify. Leaving the loop early frees the connection.
   */
  async *streamBlob(
    repository: string,
    blob: Descriptor,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, void> {
    const purpose = this.#blobPurpose(repository, blob);
    const policy = this.options.retry ?? defaultRetry;
    let done = 0;
    let breaks = 0;
    let lastBreakAt = 0;
    while (done < blob.size || done === 0) {
      const answer = await this.#openBlob(purpose, repository, blob, done, signal);
      let failure: unknown = "it ended early";
      try {
        let skip = answer.response.status === 206 ? 0 : done; // a registry without Range begins anew
        for await (const chunk of readBody(answer.response, signal)) {
          const fresh = skip === 0 ? chunk : chunk.subarray(Math.min(skip, chunk.length));
          skip -= Math.min(skip, chunk.length);
          if (done + fresh.length > blob.size) {
            throw this.#lie(purpose, answer, `more than the ${blob.size} bytes that the manifest announces`);
          }
          done += fresh.length;
          if (fresh.length > 0) yield fresh;
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof EngineError) throw error;
        failure = error;
      }
      if (done >= blob.size) return;
      if (done - lastBreakAt >= progressBytes) breaks = 0;
      lastBreakAt = done;
      breaks++;
      if (breaks >= policy.attempts) {
        const where = `after ${done} of ${blob.size} bytes`;
        throw brokenOff(purpose, answer.request, failure, where);
      }
      await pause(delayMs(policy, breaks, undefined) ?? 0, signal);
    }
  }

  #blobPurpose(repository: string, blob: Descriptor): Purpose {
    return { what: "fetch blob", on: `${this.domain}/${repository}@${blob.digest}` };
  }

  async #openBlob(
    purpose: Purpose,
    repository: string,
    blob: Descriptor,
    from: number,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const url = `${await this.#root(signal)}/${repository}/blobs/${blob.digest}`;
    const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    const answer = await this.#get(purpose, repository, url, headers, signal);
    const { response } = answer;
    if (response.status !== 200 && !(response.status === 206 && from > 0)) {
      throw await errorOfResponse(purpose, answer.request, response);
    }
    refuseWebPage(purpose, answer);
    if (response.status === 206) {
      const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
      if (range === null || Number(range[1]) !== from) {
        await discardBody(response);
        throw this.#lie(purpose, answer, `asked for the bytes from ${from} on, it sends others`);
      }
    }
    const length = response.headers.get("content-length");
    const expected = response.status === 206 ? blob.size - from : blob.size;
    if (length !== null && Number(length) !== expected) {
      await discardBody(response);
      throw this.#lie(purpose, answer, `it announces ${length} bytes, the manifest ${expected}`);
    }
    return answer;
  }

  #lie(purpose: Purpose, answer: Answer, why: string): RegistryError {
    return new RegistryError(
      "registry",
      purpose.what,
      purpose.on,
      why,
      answer.request,
      answer.response.status,
    );
  }

  /** GET with the token that the repository needs; on 401 the token is asked for and the request made once more. */
  async #get(
    purpose: Purpose,
    repository: string,
    url: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const scope = `repository:${repository}:pull`;
    const known = await this.#tokens.get(scope)?.catch(() => undefined);
    const first = await this.#http.get({ purpose, url, headers: { ...headers, ...bearer(known) }, signal });
    if (first.response.status !== 401) return first;
    const challenge = parseChallenges(first.response.headers.get("www-authenticate") ?? "");
    const usable = challenge.find((one) => one.scheme === "bearer");
    if (usable === undefined) return first;
    await discardBody(first.response);
    const token = await this.#token(purpose, scope, usable, known, signal);
    return this.#http.get({ purpose, url, headers: { ...headers, ...bearer(token) }, signal });
  }

  /** A token for SCOPE that is not STALE, which the registry has just refused (tokens live for some minutes). */
  async #token(
    purpose: Purpose,
    scope: string,
    challenge: Challenge,
    stale: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const current = this.#tokens.get(scope);
    if (current !== undefined) {
      const token = await current.catch(() => undefined);
      if (token !== undefined && token !== stale) return token;
    }
    // Between the check above and here others may have asked already.
    const latest = this.#tokens.get(scope);
    if (latest !== undefined && latest !== current) return latest;
    const asked = this.#requestToken(purpose, scope, challenge, signal);
    this.#tokens.set(scope, asked);
    asked.catch(() => {
      if (this.#tokens.get(scope) === asked) this.#tokens.delete(scope);
    });
    return asked;
  }

  async #requestToken(
    purpose: Purpose,
    scope: string,
    challenge: Challenge,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const root = await this.#root(signal);
    const url = tokenUrl(challenge, scope, root.startsWith("https:"));
    if (url === undefined) {
      const realm = (challenge.parameters["realm"] ?? "").slice(0, 200);
      const why = `the registry names a token server that cannot be used: "${redacted(realm)}"`;
      throw new RegistryError("unauthorized", purpose.what, purpose.on, why, `GET ${root}`, 401);
    }
    const answer = await this.#http.get({
      purpose,
      url: url.href,
      headers: { accept: "application/json" },
      signal,
    });
    if (answer.response.status !== 200) throw await errorOfResponse(purpose, answer.request, answer.response);
    const body = await this.#readAll(purpose, answer, tokenLimitBytes);
    let token: string | undefined;
    try {
      token = tokenIn(JSON.parse(new TextDecoder().decode(body)));
    } catch {
      // told below
    }
    if (token === undefined) throw this.#lie(purpose, answer, "the token server's answer holds no token");
    return token;
  }

  async #readAll(purpose: Purpose, answer: Answer, limitBytes: number): Promise<Uint8Array> {
    const announced = Number(answer.response.headers.get("content-length") ?? 0);
    const tooLong = () => this.#lie(purpose, answer, `the answer is longer than ${limitBytes} bytes`);
    if (announced > limitBytes) {
      await discardBody(answer.response);
      throw tooLong();
    }
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    try {
      for await (const chunk of readBody(answer.response, undefined)) {
        sizeBytes += chunk.length;
        if (sizeBytes > limitBytes) throw tooLong();
        chunks.push(chunk);
      }
    } catch (error) {
      if (error instanceof EngineError) throw error;
      throw errorOfFailure(purpose, answer.request, error);
    }
    return Buffer.concat(chunks);
  }
}

function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** A proxy's or a log-in page in place of content. */
function refuseWebPage(purpose: Purpose, answer: Answer): void {
  const type = answer.response.headers.get("content-type") ?? "";
  if (!type.toLowerCase().startsWith("text/html")) return;
  void readBounded(answer.response, 0);
  const why = "it answered with a web page: no registry, or one behind a log-in page";
  throw new RegistryError("registry", purpose.what, purpose.on, why, answer.request, answer.response.status);
}

/** The digest of a manifest's bytes, which must be the one asked for and the one that the registry tells. */
function verifiedDigest(purpose: Purpose, bytes: Uint8Array, reference: string, told: string | null): Digest {
  const what = `${purpose.what}: ${purpose.on}`;
  if (isDigest(reference)) {
    verifyBytes(what, bytes, reference);
    return reference;
  }
  if (told !== null && isDigest(told)) {
    verifyBytes(what, bytes, told);
    return told;
  }
  return digestOf(bytes);
}

function brokenOff(purpose: Purpose, request: string, failure: unknown, where: string): RegistryError {
  const words = errorOfFailure(purpose, request, failure);
  const why = `the registry is gone in the middle, ${where}: ${String(words.cause).replace(/ \(GET .*/, "")}`;
  return new RegistryError("registry", purpose.what, purpose.on, why, request, 0);
}

/** The body in pieces. Throws when nothing has come for too long; a reader that takes its time is no reason. */
async function* readBody(
  response: Response,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  let waitingSince = 0; // 0: it is our turn
  let isStalled = false;
  const stop = () => void reader.cancel().catch(() => undefined);
  const watch = setInterval(() => {
    if (waitingSince === 0 || performance.now() - waitingSince < stallMs) return;
    isStalled = true;
    stop();
  }, stallMs / 4);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      waitingSince = performance.now();
      const { done, value } = await reader.read();
      waitingSince = 0;
      signal?.throwIfAborted();
      if (isStalled) throw Object.assign(new Error("no byte for a minute"), { code: "ETIMEDOUT" });
      if (done) return;
      yield value;
    }
  } finally {
    clearInterval(watch);
    signal?.removeEventListener("abort", stop);
    stop();
  }
}
