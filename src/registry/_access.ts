import { EngineError } from "../error";
import { type Challenge, parseChallenges, refreshTokenIn, tokenIn, tokenUrl } from "./_auth";
import type { Pace } from "./_body";
import { endpointOf, hostOf, isLoopback, redacted } from "./_endpoint";
import { type Answer, discardBody, type Get, Http, type HttpOptions, type Method } from "./_http";
import { errorOfFailure, errorOfResponse, type Purpose, RegistryError, readBounded } from "./error";

/**
 * One registry as this process sees it: where its API is, and what it wants to be shown. Credentials are asked for when the registry asks, which it does with 401:
 * then a token is fetched for what is to be done (and anew when it has run out, in the middle of a push too), or the password is sent with each request.
 */

export type Credentials = {
  username: string;
  password: string;
  /** OAuth2's refresh token, in place of the password. */
  identityToken?: string | undefined;
};

export type RegistryOptions = Omit<HttpOptions, "isUnverified"> & {
  /** Plain HTTP, and certificates that nobody vouches for. This machine's own registries are spoken to in plain HTTP anyway. */
  isInsecure?: boolean;
  /** TLS with this machine's own registries too. */
  isTls?: boolean;
  /** How slow an answer's body may be; for tests. */
  pace?: Pace;
  /** Whose requests these are; undefined where nobody has logged in. */
  credentials?: ((repository: string) => Promise<Credentials | undefined>) | undefined;
};

export type AccessRequest = {
  purpose: Purpose;
  repository: string;
  /** Below the API's root, `/library/debian/tags/list`; or a URL that the registry has named. */
  at: string | URL;
  method?: Method;
  headers?: Record<string, string>;
  body?: Uint8Array | Blob | undefined;
  signal?: AbortSignal | undefined;
  isOnce?: boolean;
  /** What the token must allow. Default: to pull from the repository. */
  scopes?: readonly string[];
};

const tokenLimitBytes = 1 << 20;
const tokenPatienceMs = 60_000; // for the whole of it
const clientId = "proa";

export class Access {
  readonly #http: Http;
  #endpoint: Promise<string> | undefined;
  /** Whether it answers over TLS; asked at most once. */
  #tls: Promise<boolean> | undefined;
  /** Tokens by scope; a promise, so that parallel requests ask once. */
  readonly #tokens = new Map<string, Promise<string>>();
  #basic: string | undefined;
  readonly #credentials = new Map<string, Promise<Credentials | undefined>>();
  /** What a token server has given for later, when it was asked to. */
  identityToken: string | undefined;
  wantsIdentityToken = false;

  constructor(
    readonly domain: string,
    readonly options: RegistryOptions,
  ) {
    this.#http = new Http({ ...options, isUnverified: options.isInsecure ?? false });
  }

  /**
   * The URL of the API's root. An insecure registry may have TLS or not: TLS is tried first. On this machine, where most have none and a handshake that fails takes
   * longer than a pull's other requests, it is asked in the clear first, without a name and without credentials.
   */
  root(signal?: AbortSignal): Promise<string> {
    this.#endpoint ??= this.#findRoot(signal);
    return this.#endpoint;
  }

  async #findRoot(signal: AbortSignal | undefined): Promise<string> {
    const usual = endpointOf(this.domain);
    const secure = usual.replace(/^http:/, "https:");
    if (!this.options.isInsecure) return this.options.isTls ? secure : usual;
    const plain = secure.replace("https:", "http:");
    if (this.#mayHaveBoth() && (await this.#statusOf(plain, signal)) === 200) return plain;
    return (await this.#hasTls(secure, signal)) ? secure : plain;
  }

  #mayHaveBoth(): boolean {
    const { isInsecure, isTls } = this.options;
    return isInsecure === true && isTls !== true && isLoopback(hostOf(this.domain));
  }

  #hasTls(secure: string, signal: AbortSignal | undefined): Promise<boolean> {
    this.#tls ??= this.#statusOf(secure, signal).then((status) => status !== null);
    return this.#tls;
  }

  /** Of the root's answer; null where there is none. */
  async #statusOf(root: string, signal: AbortSignal | undefined): Promise<number | null> {
    try {
      const purpose = { what: "reach registry", on: this.domain };
      const answer = await this.#http.get({ purpose, url: `${root}/`, headers: {}, signal, isOnce: true });
      await discardBody(answer.response);
      return answer.response.status;
    } catch (error) {
      if (!(error instanceof RegistryError) || error.status !== 0) throw error;
      return null;
    }
  }

  /** Before anything secret goes out in the clear: whether a registry that has answered in the clear has TLS, too. From then on it is spoken to so. */
  async #turnsToTls(root: string, signal: AbortSignal | undefined): Promise<boolean> {
    if (!root.startsWith("http:") || !this.#mayHaveBoth()) return false;
    const secure = root.replace("http:", "https:");
    if (!(await this.#hasTls(secure, signal))) return false;
    this.#endpoint = Promise.resolve(secure);
    return true;
  }

  /** A request with what the registry wants to be shown; on 401 that is fetched and the request made once more. */
  async request(asked: AccessRequest): Promise<Answer> {
    const answer = await this.#authorized(asked);
    if (!(await this.#speaksTls(asked, answer))) return answer;
    return this.#authorized(asked);
  }

  /** A registry on this machine that has TLS says so in plain words when it is spoken to without. */
  async #speaksTls(asked: AccessRequest, answer: Answer): Promise<boolean> {
    const root = await this.root(asked.signal);
    if (answer.response.status !== 400 || !root.startsWith("http:") || this.options.isInsecure) return false;
    if (asked.at instanceof URL) return false;
    const { purpose, signal } = asked;
    const probe = await this.#http.get({ purpose, url: `${root}/`, headers: {}, signal }); // what answered may have been HEAD
    if (probe.response.status !== 400) {
      await discardBody(probe.response);
      return false;
    }
    const words = new TextDecoder().decode(await readBounded(probe.response, 200));
    if (!/HTTP request .* HTTPS server|SSL-enabled server|plain HTTP request was sent to HTTPS/i.test(words))
      return false;
    await discardBody(answer.response);
    this.#endpoint = Promise.resolve(root.replace("http:", "https:"));
    return true;
  }

  async #authorized(asked: AccessRequest): Promise<Answer> {
    const root = await this.root(asked.signal);
    const url = asked.at instanceof URL ? asked.at.href : root + asked.at;
    const request: Get = {
      purpose: asked.purpose,
      url,
      headers: asked.headers ?? {},
      method: asked.method,
      body: asked.body,
      signal: asked.signal,
      isOnce: asked.isOnce ?? false,
    };
    // Where the registry sends uploads to another host, that host is none that we know.
    if (new URL(url).origin !== new URL(root).origin) return this.#http.get(request);
    const scopes = asked.scopes ?? [`repository:${asked.repository}:pull`];
    const key = scopes.join(" ");
    const known = await this.#tokens.get(key)?.catch(() => undefined);
    const withHeader = (header: Record<string, string>) =>
      this.#http.get({ ...request, headers: { ...request.headers, ...header } });
    const first = await withHeader(known === undefined ? basic(this.#basic) : bearer(known));
    if (first.response.status !== 401) return first;
    if (await this.#turnsToTls(root, asked.signal)) {
      await discardBody(first.response);
      const at = asked.at instanceof URL ? new URL(asked.at.href.replace(/^http:/, "https:")) : asked.at;
      return this.#authorized({ ...asked, at });
    }
    const challenges = parseChallenges(first.response.headers.get("www-authenticate") ?? "");
    const wantsToken = challenges.find((one) => one.scheme === "bearer");
    if (wantsToken !== undefined) {
      await discardBody(first.response);
      return withHeader(bearer(await this.#token(asked, scopes, wantsToken, known)));
    }
    if (!challenges.some((one) => one.scheme === "basic") || this.#basic !== undefined) return first;
    const credentials = await this.#credentialsFor(asked.repository);
    if (credentials === undefined || credentials.identityToken !== undefined) return first;
    await discardBody(first.response);
    this.#basic = encoded(credentials);
    return withHeader(basic(this.#basic));
  }

  #credentialsFor(repository: string): Promise<Credentials | undefined> {
    const { credentials } = this.options;
    if (credentials === undefined) return Promise.resolve(undefined);
    const asked = this.#credentials.get(repository) ?? credentials(repository);
    this.#credentials.set(repository, asked);
    return asked;
  }

  /** A token for the scopes that is not STALE, which the registry has just refused (tokens live for some minutes). */
  async #token(
    asked: AccessRequest,
    scopes: readonly string[],
    challenge: Challenge,
    stale: string | undefined,
  ): Promise<string> {
    const key = scopes.join(" ");
    const current = this.#tokens.get(key);
    if (current !== undefined) {
      const token = await current.catch(() => undefined);
      if (token !== undefined && token !== stale) return token;
    }
    // Between the check above and here others may have asked already.
    const latest = this.#tokens.get(key);
    if (latest !== undefined && latest !== current) return latest;
    const fresh = this.#requestToken(asked, scopes, challenge);
    this.#tokens.set(key, fresh);
    fresh.catch(() => {
      if (this.#tokens.get(key) === fresh) this.#tokens.delete(key);
    });
    return fresh;
  }

  async #requestToken(
    { purpose, repository, signal }: AccessRequest,
    scopes: readonly string[],
    challenge: Challenge,
  ): Promise<string> {
    const root = await this.root(signal);
    const url = tokenUrl(challenge, scopes, root.startsWith("https:"));
    if (url === undefined) {
      const realm = (challenge.parameters["realm"] ?? "").slice(0, 200);
      const why = `the registry names a token server that cannot be used: "${redacted(realm)}"`;
      throw new RegistryError("unauthorized", purpose.what, purpose.on, why, `GET ${root}`, 401);
    }
    const credentials = await this.#credentialsFor(repository);
    const answer = await this.#askTokenServer(purpose, url, credentials, signal);
    if (answer.response.status !== 200) throw await errorOfResponse(purpose, answer.request, answer.response);
    const body = await readBounded(answer.response, tokenLimitBytes, tokenPatienceMs);
    let token: string | undefined;
    try {
      const document: unknown = JSON.parse(new TextDecoder().decode(body));
      token = tokenIn(document);
      this.identityToken = refreshTokenIn(document) ?? this.identityToken;
    } catch {
      // told below
    }
    if (token === undefined) {
      const why = "the token server's answer holds no token";
      const { status } = answer.response;
      throw new RegistryError("registry", purpose.what, purpose.on, why, answer.request, status);
    }
    return token;
  }

  async #askTokenServer(
    purpose: Purpose,
    url: URL,
    credentials: Credentials | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const headers = { accept: "application/json" };
    const identityToken = credentials?.identityToken;
    if (identityToken !== undefined) {
      const grant = { grant_type: "refresh_token", refresh_token: identityToken };
      return this.#postForm(purpose, url, grant, signal);
    }
    const account = new URL(url);
    if (credentials !== undefined) {
      account.searchParams.set("account", credentials.username);
      if (this.wantsIdentityToken) {
        account.searchParams.set("offline_token", "true");
        account.searchParams.set("client_id", clientId);
      }
    }
    const authorization = credentials === undefined ? {} : basic(encoded(credentials));
    const answer = await this.#http.get({
      purpose,
      url: account.href,
      headers: { ...headers, ...authorization },
      signal,
    });
    const isUnknown = answer.response.status === 404 || answer.response.status === 405;
    if (!isUnknown || credentials === undefined) return answer;
    await discardBody(answer.response); // a token server with nothing but OAuth2's way
    const { username, password } = credentials;
    return this.#postForm(purpose, url, { grant_type: "password", username, password }, signal);
  }

  #postForm(
    purpose: Purpose,
    url: URL,
    grant: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const form = new URLSearchParams({ ...grant, client_id: clientId });
    const service = url.searchParams.get("service");
    if (service !== null) form.set("service", service);
    const scope = url.searchParams.getAll("scope").join(" ");
    if (scope !== "") form.set("scope", scope);
    if (this.wantsIdentityToken) form.set("access_type", "offline");
    const bare = new URL(url);
    for (const name of ["service", "scope"]) bare.searchParams.delete(name);
    return this.#http.get({
      purpose,
      url: bare.href,
      method: "POST",
      headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
      body: new TextEncoder().encode(form.toString()),
      signal,
    });
  }

  /** See that the registry takes the credentials. Throws `unauthorized` where it does not. */
  async check(signal?: AbortSignal): Promise<void> {
    const purpose = { what: "log in", on: this.domain };
    const answer = await this.request({ purpose, repository: "", at: "/", signal, scopes: [] });
    if (answer.response.status === 200) return discardBody(answer.response);
    throw await errorOfResponse(purpose, answer.request, answer.response);
  }
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

function basic(userAndPassword: string | undefined): Record<string, string> {
  return userAndPassword === undefined ? {} : { authorization: `Basic ${userAndPassword}` };
}

function encoded({ username, password }: Credentials): string {
  return Buffer.from(`${username}:${password}`).toString("base64");
}

/** The body of a small answer, whole. Throws where it is longer than the limit. */
export async function readWhole(
  purpose: Purpose,
  answer: Answer,
  limitBytes: number,
  chunks: AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  const announced = Number(answer.response.headers.get("content-length") ?? 0);
  const tooLong = () => {
    const why = `the answer is longer than ${limitBytes} bytes`;
    const { status } = answer.response;
    return new RegistryError("registry", purpose.what, purpose.on, why, answer.request, status);
  };
  if (announced > limitBytes) {
    await discardBody(answer.response);
    throw tooLong();
  }
  const kept: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of chunks) {
      sizeBytes += chunk.length;
      if (sizeBytes > limitBytes) throw tooLong();
      kept.push(chunk);
    }
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw errorOfFailure(purpose, answer.request, error);
  }
  return Buffer.concat(kept);
}
