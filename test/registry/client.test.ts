import { describe, expect, test } from "bun:test";
import { EngineError } from "../../src/error";
import { type Descriptor, digestOf, manifestTypes, mediaTypes } from "../../src/oci";
import { RegistryClient, RegistryError, type RegistryOptions } from "../../src/registry";
import { FakeRegistry, specError } from "./_fake";

const quick = { attempts: 4, firstDelayMs: 1 };

function clientOf(registry: FakeRegistry | string, options: Partial<RegistryOptions> = {}): RegistryClient {
  const host = typeof registry === "string" ? registry : registry.host;
  return new RegistryClient(host, { env: {}, userAgent: "proa/test", retry: quick, ...options });
}

/** The error that PROMISE fails with. */
async function failure(promise: Promise<unknown>): Promise<RegistryError> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error) => error as RegistryError,
  );
}

async function readBlob(client: RegistryClient, blob: { digest: string; size: number }): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of client.streamBlob("app", blob as Descriptor)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const noise = (length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 2654435761) >>> 24;
  return bytes;
};

describe("fetchManifest()", () => {
  test("asks for every type that can be pulled and returns the bytes as they are", async () => {
    await using registry = await FakeRegistry.start();
    const { digest } = registry.addManifest("app", "v1", '{ "a" : 1 }', mediaTypes.ociManifest);

    const fetched = await clientOf(registry).fetchManifest("app", "v1");

    expect(Buffer.from(fetched.bytes).toString()).toBe('{ "a" : 1 }');
    expect(fetched).toMatchObject({ digest, contentType: mediaTypes.ociManifest });
    expect(registry.requests[0]?.headers).toMatchObject({
      accept: manifestTypes.join(", "),
      "user-agent": "proa/test",
    });
  });

  test("says what the registry says when there is no such manifest", async () => {
    await using registry = await FakeRegistry.start();

    const error = await failure(clientOf(registry).fetchManifest("app", "v1"));

    expect(error.message).toBe(
      `fetch manifest: ${registry.host}/app:v1: manifest unknown [MANIFEST_UNKNOWN] (GET http://${registry.host}/v2/app/manifests/v1: 404)`,
    );
    expect(error).toMatchObject({ code: "not-found", status: 404, errors: [{ code: "MANIFEST_UNKNOWN" }] });
    expect(registry.requests).toHaveLength(1);
  });

  test("refuses bytes whose digest is not the one asked for", async () => {
    await using registry = await FakeRegistry.start();
    const { digest } = registry.addManifest("app", "v1", "{}", mediaTypes.ociManifest);
    registry.fault = () => ({ status: 200, body: "[]" });

    const error = await failure(clientOf(registry).fetchManifest("app", digest));

    expect(error.code).toBe("digest-mismatch");
    expect(error.message).toContain(`wrong digest: ${digestOf("[]")} after 2 bytes, expected ${digest}`);
  });

  test("refuses bytes whose digest is not the one that the registry tells", async () => {
    await using registry = await FakeRegistry.start();
    const headers = { "docker-content-digest": digestOf("other") };
    registry.fault = () => ({ status: 200, headers, body: "{}" });

    expect((await failure(clientOf(registry).fetchManifest("app", "v1"))).code).toBe("digest-mismatch");
  });

  test("refuses a web page", async () => {
    await using registry = await FakeRegistry.start();
    registry.fault = () => ({ status: 200, headers: { "content-type": "text/html" }, body: "<html>log in" });

    const error = await failure(clientOf(registry).fetchManifest("app", "v1"));

    expect(error.message).toContain("it answered with a web page");
  });

  test("reads at most 4 MiB, announced or not", async () => {
    await using registry = await FakeRegistry.start();
    registry.fault = () => ({ status: 200, body: Buffer.alloc((4 << 20) + 1, " ") });
    expect((await failure(clientOf(registry).fetchManifest("app", "v1"))).message).toContain(
      "longer than 4194304",
    );
  });

  test("cuts hostile words of the registry short, and takes control characters out", async () => {
    await using registry = await FakeRegistry.start();
    registry.fault = () => specError(400, "BAD", `\u001b[2J${"x".repeat(10_000)}`);

    const { message } = await failure(clientOf(registry).fetchManifest("app", "v1"));

    expect(message).not.toContain("\u001b");
    expect(message.length).toBeLessThan(800);
  });
});

describe("retries", () => {
  test("take up after 5xx and 429, and honour Retry-After", async () => {
    await using registry = await FakeRegistry.start();
    registry.addManifest("app", "v1", "{}", mediaTypes.ociManifest);
    registry.fault = (_, count) =>
      [{ status: 503 }, { status: 429, headers: { "retry-after": "0" } }, { status: 500 }][count];

    await clientOf(registry).fetchManifest("app", "v1");

    expect(registry.requests).toHaveLength(4);
  });

  test("end, with the last answer as the error", async () => {
    await using registry = await FakeRegistry.start();
    registry.fault = () => specError(503, "UNAVAILABLE", "try later");

    const error = await failure(clientOf(registry).fetchManifest("app", "v1"));

    expect(error.message).toContain("try later [UNAVAILABLE]");
    expect(registry.requests).toHaveLength(quick.attempts);
  });

  test("do not wait for longer than a minute, whatever the registry asks for", async () => {
    await using registry = await FakeRegistry.start();
    registry.fault = () => ({ status: 429, headers: { "retry-after": "86400" } });

    const error = await failure(clientOf(registry).fetchManifest("app", "v1"));

    expect(error).toMatchObject({
      status: 429,
      hint: "the registry limits how much is pulled: try again later",
    });
    expect(registry.requests).toHaveLength(1);
  });

  test("take up after a connection that breaks before the answer", async () => {
    await using registry = await FakeRegistry.start();
    registry.addManifest("app", "v1", "{}", mediaTypes.ociManifest);
    registry.fault = (_, count) => (count === 0 ? { status: 200, body: "{}", cutAfter: 1 } : undefined);

    const fetched = clientOf(registry).fetchManifest("app", "v1");

    // The body of a manifest that broke off is an error; the headers were there.
    expect(await failure(fetched)).toBeInstanceOf(RegistryError);
  });

  test("stop at once when interrupted", async () => {
    await using registry = await FakeRegistry.start();
    registry.fault = () => ({ status: 503 });
    const stop = new AbortController();
    const slow = { attempts: 10, firstDelayMs: 60_000 };

    const fetched = clientOf(registry, { retry: slow }).fetchManifest("app", "v1", stop.signal);
    setTimeout(() => stop.abort(new EngineError("interrupted", "pull", "", "interrupted")), 30);

    expect((await failure(fetched)).code).toBe("interrupted");
  });

  test("say that nobody listens", async () => {
    const error = await failure(clientOf("127.0.0.1:1").fetchManifest("app", "v1"));
    expect(error.message).toContain(
      "app:v1: connection refused (GET http://127.0.0.1:1/v2/app/manifests/v1)",
    );
    expect(error).toMatchObject({ code: "registry", status: 0 });
  });
});

describe("streamBlob()", () => {
  test("takes a broken stream up where it broke", async () => {
    await using registry = await FakeRegistry.start();
    const content = noise(300_000);
    const blob = registry.addBlob(content);
    registry.fault = (request, count) => {
      const whole = registry.answer(request);
      return count < 3 ? { ...whole, cutAfter: 50_000 } : whole;
    };

    const read = await readBlob(clientOf(registry), blob);

    expect(read.equals(content)).toBe(true);
    expect(registry.requests.map(({ headers }) => headers["range"] !== undefined)).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });

  test("begins anew where the registry knows no Range, and gives each byte once", async () => {
    await using registry = await FakeRegistry.start();
    const content = noise(300_000);
    const blob = registry.addBlob(content);
    registry.fault = (_, count) => ({
      status: 200,
      body: content,
      ...(count < 2 ? { cutAfter: 90_000 } : {}),
    });

    expect((await readBlob(clientOf(registry), blob)).equals(content)).toBe(true);
  });

  test("gives up after several breaks without progress, and says where", async () => {
    await using registry = await FakeRegistry.start();
    const blob = registry.addBlob(noise(300_000));
    registry.fault = (request) => ({ ...registry.answer(request), cutAfter: 10 });

    const error = await failure(readBlob(clientOf(registry), blob));

    expect(error.message).toContain("the registry is gone in the middle, after ");
    expect(error.message).toContain(" of 300000 bytes");
    expect(registry.requests).toHaveLength(quick.attempts);
  });

  test("refuses an announced length that is not the manifest's", async () => {
    await using registry = await FakeRegistry.start();
    const blob = registry.addBlob("twelve bytes");
    const error = await failure(readBlob(clientOf(registry), { ...blob, size: 11 }));
    expect(error.message).toContain("it announces 12 bytes, the manifest 11");
  });

  test("refuses more bytes than the manifest announces, chunked", async () => {
    await using registry = await FakeRegistry.start();
    const blob = registry.addBlob("x");
    registry.fault = () => ({
      status: 200,
      headers: { "content-length": "", "transfer-encoding": "chunked" },
      body: "5\r\nhello\r\n0\r\n\r\n",
    });
    const error = await failure(readBlob(clientOf(registry), blob));
    expect(error).toBeInstanceOf(RegistryError);
  });

  test("refuses a range that was not asked for", async () => {
    await using registry = await FakeRegistry.start();
    const content = noise(100_000);
    const blob = registry.addBlob(content);
    registry.fault = (request, count) =>
      count === 0
        ? { ...registry.answer(request), cutAfter: 50_000 }
        : { status: 206, headers: { "content-range": "bytes 0-9/100000" }, body: content.subarray(0, 10) };
    const error = await failure(readBlob(clientOf(registry), blob));
    expect(error.message).toContain("it sends others");
  });

  test("passes compressed bytes through as they are", async () => {
    await using registry = await FakeRegistry.start();
    const content = Buffer.from(Bun.gzipSync(new Uint8Array(noise(1000))));
    const blob = registry.addBlob(content);
    registry.fault = () => ({ status: 200, headers: { "content-encoding": "gzip" }, body: content });
    expect((await readBlob(clientOf(registry), blob)).equals(content)).toBe(true);
  });

  test("takes an empty blob", async () => {
    await using registry = await FakeRegistry.start();
    expect(await readBlob(clientOf(registry), registry.addBlob(""))).toHaveLength(0);
  });
});

describe("redirects", () => {
  test("are followed to another host, which gets no credentials", async () => {
    await using registry = await FakeRegistry.start();
    await using store = await FakeRegistry.start();
    const blob = registry.addBlob("content");
    store.fault = () => ({ status: 200, body: "content" });
    registry.fault = tokenFlow(registry, () => ({
      status: 307,
      headers: { location: `http://${store.host}/signed?secret=1` },
    }));

    expect((await readBlob(clientOf(registry), blob)).toString()).toBe("content");

    expect(registry.requests.at(-1)?.headers["authorization"]).toBe("Bearer token-1");
    expect(store.requests).toHaveLength(1);
    expect(store.requests[0]?.headers["authorization"]).toBeUndefined();
  });

  test("leave no secret of a signed URL in an error", async () => {
    await using registry = await FakeRegistry.start();
    await using store = await FakeRegistry.start();
    store.fault = () => ({ status: 403 });
    registry.fault = () => ({
      status: 302,
      headers: { location: `http://user:pw@${store.host}/x?X-Signature=hidden` },
    });
    const { message } = await failure(readBlob(clientOf(registry), registry.addBlob("x")));
    expect(message).toContain(`${store.host}/x`);
    expect(message).not.toMatch(/hidden|pw@/);
  });

  test.each([
    ["file:///etc/passwd", "a redirect to file:"],
    ["data:text/plain,x", "a redirect to data:"],
    ["http://[bad", "a redirect to no URL"],
  ])("to %s are refused", async (location, why) => {
    await using registry = await FakeRegistry.start();
    registry.fault = () => ({ status: 302, headers: { location } });
    expect((await failure(readBlob(clientOf(registry), registry.addBlob("x")))).message).toContain(why);
  });

  test("in circles end", async () => {
    await using registry = await FakeRegistry.start();
    registry.fault = (request) => ({ status: 302, headers: { location: request.path } });
    const { message } = await failure(readBlob(clientOf(registry), registry.addBlob("x")));
    expect(message).toContain("more than 10 redirects");
  });
});

/** A registry that wants a token for everything, and its token server under /token. */
function tokenFlow(registry: FakeRegistry, then: () => ReturnType<FakeRegistry["fault"]> = () => undefined) {
  let issued = 0;
  return (request: { path: string; headers: Record<string, string> }) => {
    if (request.path.startsWith("/token")) {
      issued++;
      return { status: 200, body: JSON.stringify({ token: `token-${issued}`, expires_in: 60 }) };
    }
    if (request.headers["authorization"] === `Bearer token-${issued}` && issued > 0) return then();
    const realm = `http://${registry.host}/token`;
    const challenge = `Bearer realm="${realm}",service="fake",scope="repository:app:pull"`;
    return {
      ...specError(401, "UNAUTHORIZED", "authentication required"),
      headers: { "www-authenticate": challenge },
    };
  };
}

describe("anonymous tokens", () => {
  test("are asked for once, however many requests need one", async () => {
    await using registry = await FakeRegistry.start();
    registry.fault = tokenFlow(registry);
    const blobs = ["a", "b", "c", "d"].map((text) => registry.addBlob(text));
    const client = clientOf(registry);

    await Promise.all(blobs.map((blob) => readBlob(client, blob)));

    const asked = registry.requests.filter(({ path }) => path.startsWith("/token"));
    expect(asked.map(({ path }) => path)).toEqual(["/token?service=fake&scope=repository%3Aapp%3Apull"]);
  });

  test("are asked for anew when one has run out", async () => {
    await using registry = await FakeRegistry.start();
    let flow = tokenFlow(registry);
    registry.fault = (request) => flow(request);
    const blob = registry.addBlob("a");
    const client = clientOf(registry);
    await readBlob(client, blob);
    let isStale = true;
    const inner = flow;
    flow = (request) => {
      if (isStale && !request.path.startsWith("/token")) {
        isStale = false;
        return inner({ ...request, headers: {} });
      }
      return inner(request);
    };
    expect((await readBlob(client, blob)).toString()).toBe("a");
  });

  test("that do not help end in `unauthorized`", async () => {
    await using registry = await FakeRegistry.start();
    registry.fault = tokenFlow(registry, () => specError(403, "DENIED", "requested access is denied"));
    const error = await failure(clientOf(registry).fetchManifest("app", "v1"));
    expect(error).toMatchObject({ code: "unauthorized", status: 403 });
    expect(error.message).toContain("requested access is denied [DENIED]");
  });

  test.each(["file:///etc/passwd", "ftp://x/", "nonsense"])("are not asked for at %s", async (realm) => {
    await using registry = await FakeRegistry.start();
    registry.fault = () => ({ status: 401, headers: { "www-authenticate": `Bearer realm="${realm}"` } });
    const error = await failure(clientOf(registry).fetchManifest("app", "v1"));
    expect(error.message).toContain("names a token server that cannot be used");
  });

  test("with a line break in them are refused", async () => {
    await using registry = await FakeRegistry.start();
    const realm = `http://${registry.host}/token`;
    registry.fault = ({ path }) =>
      path.startsWith("/token")
        ? { status: 200, body: JSON.stringify({ token: "a\r\nX-Evil: 1" }) }
        : { status: 401, headers: { "www-authenticate": `Bearer realm="${realm}"` } };
    expect((await failure(clientOf(registry).fetchManifest("app", "v1"))).message).toContain(
      "holds no token",
    );
  });

  test("are no use where a password is wanted", async () => {
    await using registry = await FakeRegistry.start();
    registry.fault = () => ({ status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
    const error = await failure(clientOf(registry).fetchManifest("app", "v1"));
    expect(error).toMatchObject({ code: "unauthorized", status: 401 });
    expect(error.hint).toContain("login");
  });
});
