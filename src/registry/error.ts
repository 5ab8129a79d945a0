import { EngineError, type ErrorCode, reasonOf } from "../error";

/** Failures of the distribution protocol, in its own terms (distribution spec, "Error Codes"). */

export type SpecError = { code: string; message: string };

/** What the registry said, or that it said nothing. */
export class RegistryError extends EngineError {
  override name = "RegistryError";

  constructor(
    code: ErrorCode,
    what: string,
    on: string,
    why: string,
    /** The request as method and URL, without credentials and queries. */
    readonly request: string,
    /** HTTP status, 0 where there was no answer. */
    readonly status: number,
    readonly errors: readonly SpecError[] = [],
    hint?: string,
  ) {
    super(code, what, on, `${why} (${request}${status === 0 ? "" : `: ${status}`})`, { hint });
  }
}

/** What is being done, and on what; in front of every error of a request. */
export type Purpose = { what: string; on: string };

const bodyLimitBytes = 64 << 10; // of an error's document: more is not read
const wordsPatienceMs = 10_000; // for that document
const messageLimit = 500; // characters that are shown of a registry's words

/** The error for an answer that is none of the expected ones. Reads a bounded part of its body. */
export async function errorOfResponse(
  purpose: Purpose,
  request: string,
  response: Response,
): Promise<RegistryError> {
  const { status } = response;
  const errors = specErrorsIn(await readBounded(response, bodyLimitBytes));
  const why = errors.length > 0 ? wordsOf(errors) : wordsOfStatus(response);
  return new RegistryError(
    codeOf(status),
    purpose.what,
    purpose.on,
    why,
    request,
    status,
    errors,
    hintOf(status, purpose.on),
  );
}

/** The error for a request that got no answer. */
export function errorOfFailure(purpose: Purpose, request: string, failure: unknown): RegistryError {
  const why = wordsOfFailure(failure);
  return new RegistryError("registry", purpose.what, purpose.on, why, request, 0, [], hintOfFailure(failure));
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return "unauthorized";
  return status === 404 ? "not-found" : "registry";
}

function hintOf(status: number, on: string): string | undefined {
  if (status === 401 || status === 403)
    return `the name may be wrong, or the repository needs a login: proa login ${on.split("/", 1)[0]}`;
  if (status === 404) return "check the name and the tag";
  return status === 429 ? "the registry limits how much is pulled: try again later" : undefined;
}

function wordsOf(errors: readonly SpecError[]): string {
  return errors.map(({ code, message }) => (message === "" ? code : `${message} [${code}]`)).join("; ");
}

function wordsOfStatus(response: Response): string {
  const type = response.headers.get("content-type") ?? "";
  const page = type.startsWith("text/html") ? ", with a web page" : "";
  return `the registry answered ${response.status}${page}`;
}

/** `{"errors":[{"code","message"}]}`, as far as it is that. Control characters of a hostile message are taken out. */
function specErrorsIn(body: Uint8Array): SpecError[] {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return [];
  }
  const list = (document as { errors?: unknown } | null)?.errors;
  if (!Array.isArray(list)) return [];
  return list.slice(0, 5).flatMap((entry: unknown) => {
    const { code, message } = (entry ?? {}) as { code?: unknown; message?: unknown };
    return typeof code === "string" ? [{ code: plain(code), message: plain(message) }] : [];
  });
}

function plain(text: unknown): string {
  return typeof text === "string"
    ? text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").slice(0, messageLimit)
    : "";
}

/** At most LIMIT bytes of the body, as far as they come in time; the rest is not read. */
export async function readBounded(
  response: Response,
  limitBytes: number,
  patienceMs = wordsPatienceMs,
): Promise<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  const stop = () => void reader.cancel().catch(() => undefined);
  const timer = setTimeout(stop, patienceMs);
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    while (sizeBytes < limitBytes) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      sizeBytes += value.length;
    }
  } catch {
    // what has come is enough for an error's words
  } finally {
    clearTimeout(timer);
    stop();
  }
  return Buffer.concat(chunks).subarray(0, limitBytes);
}

/** Bun's codes for what happens below HTTP. */
const failureWords: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ConnectionRefused: "connection refused",
  ECONNRESET: "connection closed by the registry",
  ConnectionClosed: "connection closed by the registry",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the host's name cannot be resolved now",
  ETIMEDOUT: "connection timed out",
  Timeout: "connection timed out",
  EPROTO: "the TLS handshake failed: does it speak plain HTTP?",
  CERT_HAS_EXPIRED: "its certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is signed by an authority that is not trusted here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is signed by an authority that is not trusted here",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is signed by an authority that is not trusted here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is signed by an authority that is not trusted here",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
};

/** The symbolic code of a failed fetch, looked for down the chain of causes. */
export function failureCode(failure: unknown): string {
  for (let error = failure; error instanceof Error; error = error.cause) {
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code === "string") return code;
    if (error.cause === error) break;
  }
  return "";
}

export function isCertificateFailure(failure: unknown): boolean {
  return /CERT|VERIFY|SELF_SIGNED/.test(failureCode(failure));
}

function wordsOfFailure(failure: unknown): string {
  const code = failureCode(failure);
  return failureWords[code] ?? (code === "" ? reasonOf(failure) : `${code}: ${reasonOf(failure)}`);
}

function hintOfFailure(failure: unknown): string | undefined {
  if (isCertificateFailure(failure)) return "name the authority's certificate in SSL_CERT_FILE";
  return failureCode(failure) === "EPROTO" ? "plain HTTP is only spoken with localhost" : undefined;
}
