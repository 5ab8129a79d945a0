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
