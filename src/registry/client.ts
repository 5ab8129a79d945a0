import { EngineError } from "../error";
import { type Descriptor, type Digest, digestOf, isDigest, manifestTypes, verifyBytes } from "../oci";
import { Access, type RegistryOptions, readWhole } from "./_access";
import { readBody } from "./_body";
import { type Answer, discardBody } from "./_http";
import { defaultRetry, delayMs, pause } from "./_retry";
import { errorOfFailure, errorOfResponse, type Purpose, RegistryError, readBounded } from "./error";

/** The pulling half of the distribution protocol (OCI distribution spec 1.1, "Pull"). */

/** A manifest as the registry has it, byte for byte, its digest verified. */
export type FetchedManifest = { bytes: Uint8Array; contentType: string | undefined; digest: Digest };

const manifestLimitBytes = 4 << 20; // distribution spec: registries take at least that, and no image needs more
const pagesLimit = 10_000; // of a list of tags
const progressBytes = 1 << 20; // that much since the last break, and the count of breaks starts anew

export class RegistryClient {
  readonly #access: Access;

  constructor(
    readonly domain: string,
    readonly options: RegistryOptions,
  ) {
    this.#access = new Access(domain, options);
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
    const at = `/${repository}/manifests/${reference}`;
    const headers = { accept: manifestTypes.join(", ") };
    const answer = await this.#access.request({ purpose, repository, at, headers, signal });
    if (answer.response.status !== 200) throw await errorOfResponse(purpose, answer.request, answer.response);
    refuseWebPage(purpose, answer);
    const bytes = await this.#readAll(purpose, answer, manifestLimitBytes);
    return {
      bytes,
      contentType: answer.response.headers.get("content-type") ?? undefined,
      digest: verifiedDigest(purpose, bytes, reference, answer.response.headers.get("docker-content-digest")),
    };
  }

  /** Every tag of a repository, however many pages the registry tells them in. What is no tag is left out. */
  async fetchTags(repository: string, signal?: AbortSignal): Promise<string[]> {
    const purpose = { what: "list tags", on: `${this.domain}/${repository}` };
    const tags = new Set<string>();
    let at: string | URL = `/${repository}/tags/list`;
    for (let page = 0; page < pagesLimit; page++) {
      const headers = { accept: "application/json" };
      const answer = await this.#access.request({ purpose, repository, at, headers, signal });
      if (answer.response.status !== 200)
        throw await errorOfResponse(purpose, answer.request, answer.response);
      refuseWebPage(purpose, answer);
      const before = tags.size;
      for (const tag of tagsIn(await this.#readAll(purpose, answer, manifestLimitBytes))) tags.add(tag);
      const next = nextPage(answer.response.headers.get("link"), answer.response.url);
      if (next === undefined || tags.size === before) return [...tags]; // a page without news leads in a circle
      at = next;
    }
    throw new RegistryError("registry", purpose.what, purpose.on, "its list of tags has no end", "GET", 200);
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
        for await (const chunk of readBody(answer.response, signal, this.options.pace)) {
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

  /**
   * SIZE bytes of a blob from FROM on, tried again where the connection breaks. What they are is the reader's to verify.
   *
   * @throws RegistryError, `unsupported` where the registry does not send parts of blobs
   */
  async fetchRange(
    repository: string,
    blob: Descriptor,
    from: number,
    size: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const purpose = this.#blobPurpose(repository, blob);
    const policy = this.options.retry ?? defaultRetry;
    const at = `/${repository}/blobs/${blob.digest}`;
    const headers = { range: `bytes=${from}-${from + size - 1}` };
    for (let breaks = 1; ; breaks++) {
      const answer = await this.#access.request({ purpose, repository, at, headers, signal });
      const { response } = answer;
      if (response.status === 200) {
        await discardBody(response);
        throw new EngineError(
          "unsupported",
          purpose.what,
          purpose.on,
          "the registry sends no parts of blobs",
        );
      }
      if (response.status !== 206) throw await errorOfResponse(purpose, answer.request, response);
      const begin = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
      if (begin === undefined || Number(begin) !== from) {
        await discardBody(response);
        throw this.#lie(purpose, answer, `asked for the bytes from ${from} on, it sends others`);
      }
      const bytes = new Uint8Array(size);
      let done = 0;
      let failure: unknown = "it ended early";
      try {
        for await (const chunk of readBody(response, signal, this.options.pace)) {
          if (done + chunk.length > size)
            throw this.#lie(purpose, answer, `more than the ${size} bytes asked for`);
          bytes.set(chunk, done);
          done += chunk.length;
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof EngineError) throw error;
        failure = error;
      }
      if (done === size) return bytes;
      if (breaks >= policy.attempts)
        throw brokenOff(purpose, answer.request, failure, `after ${done} of ${size} bytes`);
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
    const at = `/${repository}/blobs/${blob.digest}`;
    const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    const answer = await this.#access.request({ purpose, repository, at, headers, signal });
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

  #readAll(purpose: Purpose, answer: Answer, limitBytes: number): Promise<Uint8Array> {
    return readWhole(purpose, answer, limitBytes, readBody(answer.response, undefined, this.options.pace));
  }
}

/** The names in an answer's `tags`, null for none, that have the form of a tag. */
function tagsIn(bytes: Uint8Array): string[] {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return [];
  }
  const tags = (document as { tags?: unknown } | null)?.tags;
  if (!Array.isArray(tags)) return [];
  return tags.filter((tag): tag is string => typeof tag === "string" && /^\w[\w.-]{0,127}$/.test(tag));
}

/** RFC 8288: where the next page is, of the same registry. */
function nextPage(link: string | null, from: string): URL | undefined {
  const target = /^\s*<([^>]+)>\s*;[^,]*rel="?next"?/.exec(link ?? "")?.[1];
  if (target === undefined || !URL.canParse(target, from)) return undefined;
  const url = new URL(target, from);
  return url.origin === new URL(from).origin ? url : undefined;
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
