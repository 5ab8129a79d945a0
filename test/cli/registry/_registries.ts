/** Registries that want to know who asks: with a list of passwords (htpasswd), and with a token server. */

import { createSign, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitUntil } from "../../harness";

export type Guarded = {
  readonly host: string;
  readonly directory: string;
  [Symbol.asyncDispose](): Promise<void>;
};

export type GuardedOptions = {
  /** User and password, kept in a file of bcrypt's hashes. */
  users?: Record<string, string>;
  /** Certificate and key: TLS. */
  tls?: { certificate: string; key: string };
  /** A token server, and the certificate that its tokens are signed with. */
  token?: { realm: string; service: string; certificate: string };
};

export async function startGuarded(options: GuardedOptions): Promise<Guarded> {
  const directory = mkdtempSync(join(tmpdir(), "guarded-"));
  const auth: Record<string, unknown> = {};
  if (options.users !== undefined) {
    const lines = await Promise.all(
      Object.entries(options.users).map(
        async ([user, password]) =>
          `${user}:${await Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 })}`,
      ),
    );
    const path = join(directory, "htpasswd");
    writeFileSync(path, `${lines.join("\n")}\n`);
    auth["htpasswd"] = { realm: "test", path };
  }
  if (options.token !== undefined) {
    const path = join(directory, "token.pem");
    writeFileSync(path, options.token.certificate);
    auth["token"] = {
      realm: options.token.realm,
      service: options.token.service,
      issuer: "test",
      rootcertbundle: path,
    };
  }
  const tls = options.tls === undefined ? {} : { tls: { certificate: "", key: "" } };
  if (options.tls !== undefined) {
    const [certificate, key] = [join(directory, "tls.pem"), join(directory, "tls.key")];
    writeFileSync(certificate, options.tls.certificate);
    writeFileSync(key, options.tls.key);
    Object.assign(tls, { tls: { certificate, key } });
  }
  const config = join(directory, "config.json"); // YAML's subset
  writeFileSync(
    config,
    JSON.stringify({
      version: "0.1",
      log: { level: "info", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(directory, "storage") }, delete: { enabled: true } },
      http: { addr: "127.0.0.1:0", secret: "test", ...tls },
      ...(Object.keys(auth).length > 0 ? { auth } : {}),
    }),
  );
  const child = Bun.spawn(["docker-registry", "serve", config], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env["PATH"] ?? "" },
  });
  let log = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr)
      log = (log + decoder.decode(chunk, { stream: true })).slice(-100_000);
  })();
  const dispose = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
    await reading;
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const port = await waitUntil(
      () => {
        if (child.exitCode !== null) throw new Error(`start registry: it ended: ${log}`);
        return /listening on 127\.0\.0\.1:(\d+)/.exec(log)?.[1];
      },
      { what: "registry" },
    );
    return { host: `127.0.0.1:${port}`, directory, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** A certificate that signs itself, and its key, made with openssl. */
export function makeCertificate(name: string): { certificate: string; key: string } {
  const directory = mkdtempSync(join(tmpdir(), "certificate-"));
  try {
    const [certificate, key] = [join(directory, "c.pem"), join(directory, "k.pem")];
    const made = Bun.spawnSync([
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      `/CN=${name}`,
      "-addext",
      "subjectAltName=IP:127.0.0.1,DNS:localhost",
      "-keyout",
      key,
      "-out",
      certificate,
    ]);
    if (made.exitCode !== 0) throw new Error(made.stderr.toString());
    const read = (path: string) => new TextDecoder().decode(Bun.spawnSync(["cat", path]).stdout);
    return { certificate: read(certificate), key: read(key) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export type TokenRequest = { method: string; scopes: string[]; authorization: string; form: URLSearchParams };

/** A token server (distribution: docs/spec/auth/token, jwt and oauth) whose tokens the registry takes. */
export class TokenServer implements AsyncDisposable {
  readonly requests: TokenRequest[] = [];
  readonly certificate: string;
  readonly #key: string;
  readonly #server: ReturnType<typeof Bun.serve>;
  readonly refreshToken = "a-refresh-token";
  /** Seconds that a token is good for; registries forgive a minute. */
  lifetime = 300;
  /** Whether it gives refresh tokens to who asks for them. */
  isOauth = true;

  constructor(
    readonly users: Record<string, string>,
    readonly service = "test-registry",
  ) {
    const { certificate, key } = makeCertificate("token server");
    this.certificate = certificate;
    this.#key = key;
    this.#server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => this.#answer(request),
    });
  }

  get realm(): string {
    return `http://127.0.0.1:${this.#server.port}/token`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const form = request.method === "POST" ? new URLSearchParams(await request.text()) : url.searchParams;
    const authorization = request.headers.get("authorization") ?? "";
    const scopes = form
      .getAll("scope")
      .flatMap((each) => each.split(" "))
      .filter(Boolean);
    this.requests.push({ method: request.method, scopes, authorization, form });
    const user = this.#userOf(authorization, form);
    if (user === null) {
      return Response.json(
        { errors: [{ code: "UNAUTHORIZED", message: "wrong password" }] },
        { status: 401 },
      );
    }
    const allowed = user === undefined ? scopes.filter((scope) => scope.includes("public")) : scopes;
    const token = this.#sign(user ?? "", allowed);
    const wants = form.get("offline_token") === "true" || form.get("access_type") === "offline";
    const refresh = this.isOauth && user !== undefined && wants ? { refresh_token: this.refreshToken } : {};
    return Response.json({ token, access_token: token, expires_in: this.lifetime, ...refresh });
  }

  /** Undefined: nobody in particular; null: somebody who is not who they say. */
  #userOf(authorization: string, form: URLSearchParams): string | undefined | null {
    if (form.get("grant_type") === "refresh_token")
      return form.get("refresh_token") === this.refreshToken ? "refreshed" : null;
    if (!authorization.startsWith("Basic ")) return undefined;
    const [user = "", password] = Buffer.from(authorization.slice(6), "base64").toString().split(":");
    return this.users[user] === password ? user : null;
  }

  #sign(subject: string, scopes: string[]): string {
    const encoded = (part: object | Buffer) =>
      (Buffer.isBuffer(part) ? part : Buffer.from(JSON.stringify(part))).toString("base64url");
    const now = Math.floor(Date.now() / 1000);
    const access = scopes.map((scope) => {
      const [type = "", name = "", actions = ""] = scope.split(":");
      return { type, name, actions: actions.split(",") };
    });
    const der = new X509Certificate(this.certificate).raw.toString("base64");
    const head = encoded({ typ: "JWT", alg: "RS256", x5c: [der] });
    const body = encoded({
      iss: "test",
      sub: subject,
      aud: this.service,
      exp: now + this.lifetime,
      nbf: now - 600,
      iat: now - 600,
      jti: crypto.randomUUID(),
      access,
    });
    const signer = createSign("RSA-SHA256");
    signer.update(`${head}.${body}`);
    return `${head}.${body}.${encoded(signer.sign(this.#key))}`;
  }
}
