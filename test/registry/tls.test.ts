import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mediaTypes } from "../../src/oci";
import { RegistryClient, type RegistryError } from "../../src/registry";
import { FakeRegistry } from "./_fake";

/** TLS and proxies need hosts that are not this machine's own: `registry.test` is made one by the proxy, which takes every name to the test's server. */

const openssl = Bun.which("openssl");
const directory = mkdtempSync(join(tmpdir(), "proa-tls-"));
const ca = join(directory, "ca.pem");
const retry = { attempts: 2, firstDelayMs: 1 };

let registry: ReturnType<typeof Bun.serve> | undefined;
let proxy: Server | undefined;
const tunnels: string[] = [];

function run(...args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["openssl", ...args], {
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (exitCode !== 0) throw new Error(stderr.toString());
}

beforeAll(async () => {
  if (openssl === null) return;
  run(
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=test CA",
    "-keyout",
    "ca.key",
    "-out",
    ca,
  );
  run(
    "req",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-subj",
    "/CN=registry.test",
    "-keyout",
    "key.pem",
    "-out",
    "csr.pem",
  );
  writeFileSync(join(directory, "ext"), "subjectAltName=DNS:registry.test\n");
  run(
    "x509",
    "-req",
    "-in",
    "csr.pem",
    "-CA",
    ca,
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    "ext",
    "-out",
    "cert.pem",
  );
  registry = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: {
      cert: readFileSync(join(directory, "cert.pem"), "utf8"),
      key: readFileSync(join(directory, "key.pem"), "utf8"),
    },
    fetch: () => new Response("{}", { headers: { "content-type": mediaTypes.ociManifest } }),
  });
  proxy = createServer((socket) => tunnel(socket, registry?.port ?? 0));
  await new Promise<void>((resolve) => proxy?.listen(0, "127.0.0.1", resolve));
});

afterAll(() => {
  registry?.stop(true);
  proxy?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A proxy that knows CONNECT, and takes every host to one port. */
function tunnel(socket: Socket, port: number): void {
  socket.on("error", () => socket.destroy());
  socket.once("data", (data) => {
    tunnels.push(data.toString("latin1").split("\r\n")[0] ?? "");
    const upstream = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on("error", () => socket.destroy());
  });
}

function proxyUrl(): string {
  const address = proxy?.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
}

const fetchWith = (env: Record<string, string>, isInsecure = false) =>
  new RegistryClient("registry.test", { env, userAgent: "proa/test", retry, isInsecure }).fetchManifest(
    "app",
    "v1",
  );

describe.skipIf(openssl === null)("over TLS, through a proxy (needs openssl)", () => {
  test("an authority named in SSL_CERT_FILE is trusted", async () => {
    const fetched = await fetchWith({ HTTPS_PROXY: proxyUrl(), SSL_CERT_FILE: ca });
    expect(Buffer.from(fetched.bytes).toString()).toBe("{}");
    expect(tunnels.at(-1)).toBe("CONNECT registry.test:443 HTTP/1.1");
  });

  test("one named in NODE_EXTRA_CA_CERTS is trusted beside the system's", async () => {
    const fetched = await fetchWith({ https_proxy: proxyUrl(), NODE_EXTRA_CA_CERTS: ca });
    expect(fetched.bytes).toHaveLength(2);
  });

  test("an unknown authority is not, and the error says what to do", async () => {
    const error = await fetchWith({ HTTPS_PROXY: proxyUrl() }).catch(
      (reason: unknown) => reason as RegistryError,
    );
    expect((error as RegistryError).message).toContain("signed by an authority that is not trusted here");
    expect((error as RegistryError).hint).toContain("SSL_CERT_FILE");
  });

  test("an unknown authority is no obstacle where insecurity is allowed", async () => {
    expect((await fetchWith({ HTTPS_PROXY: proxyUrl() }, true)).bytes).toHaveLength(2);
  });

  test("where insecurity is allowed, plain HTTP comes after TLS has failed", async () => {
    await using plain = await FakeRegistry.start();
    plain.addManifest("app", "v1", "{}", mediaTypes.ociManifest);
    const env = { HTTP_PROXY: `http://${plain.host}`, HTTPS_PROXY: "http://127.0.0.1:1" };
    plain.fault = (request) =>
      plain.answer({ ...request, path: request.path.replace(/^http:\/\/[^/]+/, "") });
    expect((await fetchWith(env, true)).bytes).toHaveLength(2);
    expect(plain.requests.at(-1)?.path).toBe("http://registry.test/v2/app/manifests/v1");
    const refused = await fetchWith(env).catch((reason: unknown) => reason as RegistryError);
    expect(refused).toMatchObject({ code: "registry", status: 0 });
  });

  test("a certificate file that is missing is named", async () => {
    const fetched = fetchWith({ HTTPS_PROXY: proxyUrl(), SSL_CERT_FILE: "/no/such/file" });
    expect(fetched).rejects.toThrow("read certificates: /no/such/file: no such file or directory");
  });
});

type Spoken = { host: string; plain: string[]; handshakes: number };

/** Speaks what it is told to, to whoever begins: TLS as the registry above, or in the clear what ANSWER has for a request; null hangs up. */
async function speaking(
  hasTls: boolean,
  answer: (request: string) => string | null,
  act: (spoken: Spoken) => Promise<void>,
): Promise<void> {
  const spoken: Spoken = { host: "", plain: [], handshakes: 0 };
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (data) => {
      if (data[0] !== 0x16) {
        spoken.plain.push(data.toString("latin1"));
        const text = answer(data.toString("latin1"));
        if (text === null) socket.destroy();
        else socket.end(text);
        return;
      }
      spoken.handshakes++;
      if (!hasTls) return void socket.destroy();
      const upstream = connect(registry?.port ?? 0, "127.0.0.1", () => {
        upstream.write(data);
        socket.pipe(upstream).pipe(socket);
      });
      upstream.on("error", () => socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  spoken.host = `127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  try {
    await act(spoken);
  } finally {
    server.close();
  }
}

const answered = (status: string, body: string, header = "") =>
  `HTTP/1.1 ${status}\r\ncontent-type: ${mediaTypes.ociManifest}\r\ncontent-length: ${body.length}\r\n${header}connection: close\r\n\r\n${body}`;

describe.skipIf(openssl === null)("an insecure registry on this machine (needs openssl)", () => {
  const fetchFrom = async (host: string, isTls = false) => {
    const credentials = async () => ({ username: "me", password: "a secret" });
    const options = { env: {}, userAgent: "proa/test", retry, isInsecure: true, isTls, credentials };
    return (await new RegistryClient(host, options).fetchManifest("app", "v1")).bytes;
  };
  const wantsLogin = (request: string) =>
    /^authorization: basic/im.test(request)
      ? answered("200 OK", "{}")
      : answered("401 Unauthorized", "", 'www-authenticate: Basic realm="r"\r\n');

  test("that has no TLS is never asked for it", async () => {
    await speaking(
      false,
      () => answered("200 OK", "{}"),
      async (spoken) => {
        expect(await fetchFrom(spoken.host)).toHaveLength(2);
        expect(spoken).toMatchObject({ handshakes: 0, plain: [expect.anything(), expect.anything()] });
      },
    );
  });

  test.each([
    ["hangs up on whoever speaks in the clear", () => null],
    ["says so", () => answered("400 Bad Request", "Client sent an HTTP request to an HTTPS server.\n")],
  ])("that has TLS and %s hears its name in the clear, and nothing else", async (_how, answer) => {
    await speaking(true, answer, async (spoken) => {
      expect(await fetchFrom(spoken.host)).toHaveLength(2);
      expect(spoken.plain).toHaveLength(1);
      expect(spoken.plain[0]).toStartWith("GET /v2/ HTTP/1.1\r\n");
      expect(spoken.plain[0]).not.toMatch(/authorization/i);
      expect(spoken.handshakes).toBeGreaterThan(0);
    });
  });

  test.each([
    ["at once", wantsLogin],
    [
      "for images",
      (request: string) => (request.startsWith("GET /v2/ ") ? answered("200 OK", "{}") : wantsLogin(request)),
    ],
  ])("that speaks both and wants a log-in %s gets it over TLS", async (_when, answer) => {
    await speaking(true, answer, async (spoken) => {
      expect(await fetchFrom(spoken.host)).toHaveLength(2);
      expect(spoken.handshakes).toBeGreaterThan(0);
      for (const request of spoken.plain) expect(request).not.toMatch(/authorization/i);
    });
  });

  test("that has no TLS and wants a log-in gets it in the clear, when TLS has failed", async () => {
    await speaking(false, wantsLogin, async (spoken) => {
      expect(await fetchFrom(spoken.host)).toHaveLength(2);
      expect(spoken.handshakes).toBe(1);
      expect(spoken.plain.at(-1)).toMatch(/authorization: basic/i);
    });
  });

  test("with certificates of its own is never spoken to in the clear", async () => {
    await speaking(
      true,
      () => null,
      async (spoken) => {
        expect(await fetchFrom(spoken.host, true)).toHaveLength(2);
        expect(spoken.plain).toEqual([]);
      },
    );
  });
});
