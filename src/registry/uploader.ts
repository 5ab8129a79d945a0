import { EngineError } from "../error";
import { type Digest, digestOf } from "../oci";
import { Access, type RegistryOptions } from "./_access";
import { type Answer, discardBody } from "./_http";
import { defaultRetry, delayMs, isRetryableStatus, pause } from "./_retry";
import { errorOfResponse, type Purpose, RegistryError } from "./error";

/**
 * The pushing half of the distribution protocol (OCI distribution spec 1.1, "Push"). A blob that the registry has is not sent; one that another repository of it has is
 * mounted from there. Small blobs go in one request, others in a session that is taken up again where the registry says that it broke off.
 */

export type BlobToUpload = {
  digest: Digest;
  size: number;
  /** The bytes, any part of which can be read again. */
  content: Blob;
};

export type Upload = {
  blob: BlobToUpload;
  /** Repositories of the same registry that may have the blob. */
  mountFrom?: readonly string[];
  onProgress?: (sentBytes: number) => void;
  signal?: AbortSignal | undefined;
};

/** What became of a blob. */
export type Uploaded = "exists" | "mounted" | "sent";

const atOnceBytes = 4 << 20; // no session for less
const smallPartBytes = 4 << 20; // for a registry, or what is in front of it, that takes no larger bodies

export class RegistryUploader {
  readonly #access: Access;

  constructor(
    readonly domain: string,
    readonly options: RegistryOptions,
  ) {
    this.#access = new Access(domain, options);
  }

  /** Whether the repository has the blob. False where the registry does not let us look. Throws RegistryError. */
  async hasBlob(repository: string, digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const purpose = { what: "push blob", on: `${this.domain}/${repository}@${digest}` };
    const at = `/${repository}/blobs/${digest}`;
    const answer = await this.#request(purpose, repository, at, { method: "HEAD", signal });
    await discardBody(answer.response);
    return answer.response.status === 200;
  }

  /** Bring a blob into the repository. Throws RegistryError. */
  async uploadBlob(repository: string, upload: Upload): Promise<Uploaded> {
    const { blob, signal } = upload;
    const purpose = { what: "push blob", on: `${this.domain}/${repository}@${blob.digest}` };
    if (await this.hasBlob(repository, blob.digest, signal)) return "exists";
    // A registry that does not let us look may let us write: 404 and 403 alike are no answer to the question.
    for (const from of (upload.mountFrom ?? []).slice(0, 3)) {
      const session = await this.#mount(purpose, repository, blob.digest, from, signal);
      if (session === "mounted") return "mounted";
      if (session === undefined) continue;
      await this.#send(purpose, repository, upload, session);
      return "sent";
    }
    await this.#send(purpose, repository, upload, undefined);
    return "sent";
  }

  /** Put a manifest or an index under a tag or its digest. Throws RegistryError. */
  async putManifest(
    repository: string,
    reference: string,
    bytes: Uint8Array,
    mediaType: string,
    signal?: AbortSignal,
  ): Promise<Digest> {
    const separator = reference.includes(":") ? "@" : ":";
    const purpose = { what: "push manifest", on: `${this.domain}/${repository}${separator}${reference}` };
    const digest = digestOf(bytes);
    const answer = await this.#request(purpose, repository, `/${repository}/manifests/${reference}`, {
      method: "PUT",
      headers: { "content-type": mediaType },
      body: bytes,
      signal,
    });
    if (answer.response.status !== 201 && answer.response.status !== 200) {
      throw await errorOfResponse(purpose, answer.request, answer.response);
    }
    const told = answer.response.headers.get("docker-content-digest");
    await discardBody(answer.response);
    if (told?.startsWith("sha256:") && told !== digest) {
      const why = `the registry has made ${told} of ${digest}`;
      const { status } = answer.response;
      throw new RegistryError("digest-mismatch", purpose.what, purpose.on, why, answer.request, status);
    }
    return digest;
  }

  async #mount(
    purpose: Purpose,
    repository: string,
    digest: Digest,
    from: string,
    signal: AbortSignal | undefined,
  ): Promise<"mounted" | URL | undefined> {
    const at = `/${repository}/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
    const scopes = [pushScope(repository), `repository:${from}:pull`];
    const answer = await this.#access
      .request({
        purpose,
        repository,
        at,
        method: "POST",
        signal,
        scopes,
        headers: { "content-length": "0" },
      })
      .catch((error: unknown) => {
        signal?.throwIfAborted();
        if (error instanceof RegistryError && error.code === "unauthorized") return null; // not from there, then
        throw error;
      });
    if (answer === null) return undefined;
    await discardBody(answer.response);
    if (answer.response.status === 201) return "mounted";
    return answer.response.status === 202 ? this.#locationOf(purpose, answer) : undefined;
  }

  async #begin(purpose: Purpose, repository: string, signal: AbortSignal | undefined): Promise<URL> {
    const answer = await this.#request(purpose, repository, `/${repository}/blobs/uploads/`, {
      method: "POST",
      headers: { "content-length": "0" },
      signal,
    });
    if (answer.response.status !== 202) {
      throw await errorOfResponse(purpose, answer.request, answer.response);
    }
    await discardBody(answer.response);
    return this.#locationOf(purpose, answer);
  }

  async #send(purpose: Purpose, repository: string, upload: Upload, begun: URL | undefined): Promise<void> {
    const policy = this.options.retry ?? defaultRetry;
    const { signal } = upload;
    const job: Session = { at: begun, sentBytes: 0, partBytes: Number.POSITIVE_INFINITY };
    for (let attempt = 1; ; attempt++) {
      const before = job.sentBytes;
      try {
        job.at ??= await this.#begin(purpose, repository, signal);
        return await this.#sendRest(purpose, repository, upload, job);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof RegistryError)) throw error;
        if (error.status === 413 && job.partBytes > smallPartBytes) {
          Object.assign(job, { at: undefined, sentBytes: 0, partBytes: smallPartBytes });
          continue;
        }
        const isLost = error.status === 404 || error.status === 416; // the session: begin another
        const isWorth = error.status === 0 || isLost || isRetryableStatus(error.status);
        if (attempt >= policy.attempts || !isWorth || error.code === "digest-mismatch") throw error;
        await pause(delayMs(policy, attempt, undefined) ?? 0, signal);
        await this.#findOut(purpose, repository, job, signal);
        if (job.sentBytes > before) attempt = 1;
      }
    }
  }

  async #sendRest(purpose: Purpose, repository: string, upload: Upload, job: Session): Promise<void> {
    const { blob, signal } = upload;
    const type = { "content-type": "application/octet-stream" };
    const isWhole = job.sentBytes === 0 && blob.size <= atOnceBytes;
    while (!isWhole && job.sentBytes < blob.size) {
      const end = Math.min(blob.size, job.sentBytes + job.partBytes);
      const isPart = job.sentBytes > 0 || end < blob.size;
      const range = isPart ? { "content-range": `${job.sentBytes}-${end - 1}` } : {};
      const answer = await this.#request(purpose, repository, job.at as URL, {
        method: "PATCH",
        headers: { ...type, ...range },
        body: blob.content.slice(job.sentBytes, end),
        signal,
        isOnce: true,
      });
      if (answer.response.status !== 202 && answer.response.status !== 201) {
        throw await errorOfResponse(purpose, answer.request, answer.response);
      }
      await discardBody(answer.response);
      job.at = this.#locationOf(purpose, answer, job.at);
      job.sentBytes = end;
      upload.onProgress?.(end);
    }
    const last = new URL(job.at as URL);
    last.searchParams.set("digest", blob.digest);
    const answer = await this.#request(purpose, repository, last, {
      method: "PUT",
      headers: isWhole ? type : { "content-length": "0" },
      body: isWhole ? blob.content : undefined,
      signal,
      isOnce: true,
    });
    if (answer.response.status !== 201 && answer.response.status !== 204) {
      throw await errorOfResponse(purpose, answer.request, answer.response);
    }
    await discardBody(answer.response);
    upload.onProgress?.(blob.size);
  }

  /** How much of a broken upload has arrived. Where the registry does not tell, all is sent again. */
  async #findOut(
    purpose: Purpose,
    repository: string,
    job: Session,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const at = job.at;
    Object.assign(job, { at: undefined, sentBytes: 0 });
    if (at === undefined) return;
    try {
      const answer = await this.#request(purpose, repository, at, { method: "GET", signal, isOnce: true });
      await discardBody(answer.response);
      const range = /^(?:bytes=)?0-(\d+)$/.exec(answer.response.headers.get("range") ?? "");
      if (answer.response.status !== 204 || range === null) return;
      const upTo = Number(range[1]);
      if (upTo === 0) return; // "0-0" is also what registries say for nothing at all
      job.at = this.#locationOf(purpose, answer, at);
      job.sentBytes = upTo + 1;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
    }
  }

  #request(
    purpose: Purpose,
    repository: string,
    at: string | URL,
    more: Partial<Parameters<Access["request"]>[0]>,
  ): Promise<Answer> {
    return this.#access.request({ purpose, repository, at, scopes: [pushScope(repository)], ...more });
  }

  /** Where to go on, as the answer says: its own host, or a path of ours. A registry behind a proxy may not know that it is spoken to with TLS. */
  #locationOf(purpose: Purpose, answer: Answer, former?: URL): URL {
    const location = answer.response.headers.get("location");
    const asked = new URL(answer.response.url || former?.href || "", former?.href);
    if (location === null && former !== undefined) return former;
    if (location === null || !URL.canParse(location, asked.href)) {
      const why = "it does not say where the upload goes on";
      const { status } = answer.response;
      throw new RegistryError("registry", purpose.what, purpose.on, why, answer.request, status);
    }
    const next = new URL(location, asked);
    if (asked.protocol === "https:" && next.protocol === "http:" && next.hostname === asked.hostname) {
      next.protocol = "https:";
      next.port = asked.port;
    }
    if (next.protocol === asked.protocol || next.protocol === "https:") return next;
    const why = `the upload would go on in the clear, with ${next.host}`;
    const { status } = answer.response;
    throw new RegistryError("registry", purpose.what, purpose.on, why, answer.request, status);
  }
}

type Session = {
  at: URL | undefined;
  sentBytes: number;
  /** Of one request. */
  partBytes: number;
};

function pushScope(repository: string): string {
  return `repository:${repository}:pull,push`;
}
