/** Pulls that cannot succeed, or are ended in the middle: a clear error, nothing left, and the next pull works. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import {
  makeImage,
  makeIndex,
  makeLayer,
  type TestImage,
  tarOf,
  tinyLayer,
  useEngine,
  waitUntil,
} from "../../harness";
import { blobOf, digestOf, type Layer } from "../../harness/image";
import { FakeRegistry, type Fault, specError } from "../../registry/_fake";
import { expectNothingOf, strayFiles } from "./_spoilt";

const engine = useEngine();
let registry: FakeRegistry;
let count = 0;

beforeAll(async () => {
  registry = await FakeRegistry.start();
});
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

/** 300 kB that gzip cannot shorten: the digest differs each time. */
const noise = () =>
  new Uint8Array(
    Buffer.concat(Array.from({ length: 5 }, () => crypto.getRandomValues(new Uint8Array(60_000)))),
  );

type Case = { name: string; image: TestImage; large: Layer };

/** An image of two layers that nobody has pulled yet; the second one is large. */
async function fresh(spoil: (layer: Layer) => Layer = (layer) => layer): Promise<Case> {
  const large = spoil(await makeLayer({ large: noise() }));
  const image = await makeImage({ layers: [{ [`small${count}`]: "s" }, large] });
  const name = registry.addImage(`broken${count++}`, "v1", image);
  return { name, image, large };
}

/** Answers for one blob, at every request or at the first. */
function atBlob(
  digest: string,
  answer: (whole: ReturnType<FakeRegistry["answer"]>) => ReturnType<Fault>,
): Fault {
  return (request) =>
    request.path.endsWith(`/blobs/${digest}`) ? answer(registry.answer(request)) : undefined;
}

async function failing(name: string): Promise<string> {
  const result = await engine.proa(["pull", name]);
  expect(result.stdout).toBe("");
  expect(result.stderr).not.toMatch(/internal|undefined|\x1b| {4}at /);
  expect(result.exitCode).toBe(1);
  await expectNothingOf(engine, name);
  registry.fault = () => undefined;
  const error = result.stderr.split("\n").filter((line) => /^(Error|hint): /.test(line));
  expect(error[0]).toStartWith(`Error: pull image: ${name}: `);
  return error.join("\n").slice(`Error: pull image: ${name}: `.length);
}

async function thenSucceeds({ name }: Case): Promise<void> {
  expect(await engine.ok(["pull", "-q", name])).toBe(name);
  expect(await engine.ok(["images", "-q", name])).not.toBe("");
  expect(strayFiles(engine)).toEqual([]);
}

describe("a pull fails, leaves nothing, and can be repeated:", () => {
  test("the registry is gone in the middle of a layer", async () => {
    const made = await fresh();
    let isGone = false;
    registry.fault = (request) => {
      if (request.path.endsWith(made.large.digest) && !isGone) {
        isGone = true;
        return { ...registry.answer(request), cutAfter: 100_000 };
      }
      return isGone ? { status: 503, headers: { "retry-after": "3600" } } : undefined;
    };
    expect(await failing(made.name)).toMatch(
      /^fetch blob: 127\.0\.0\.1:\d+\/broken\d+@sha256:[0-9a-f]{64}: .*503/,
    );
    await thenSucceeds(made);
  });

  test("each connection breaks after some bytes, without an end", async () => {
    const made = await fresh();
    registry.fault = atBlob(made.large.digest, (whole) => ({ ...whole, cutAfter: 1_000 }));
    expect(await failing(made.name)).toContain("the registry is gone in the middle, after");
    await thenSucceeds(made);
  });

  test("a byte of a layer is wrong", async () => {
    const made = await fresh();
    registry.fault = atBlob(made.large.digest, (whole) => {
      const body = Buffer.from(whole.body ?? "");
      body[150_000] = (body[150_000] ?? 0) ^ 1;
      return { ...whole, body };
    });
    const error = await failing(made.name);
    expect(error).toContain("wrong digest");
    expect(error).toContain(made.large.digest);
    await thenSucceeds(made);
  });

  test("the bytes of a config are wrong", async () => {
    const made = await fresh();
    const config = made.image.blobs[0];
    registry.fault = atBlob(config?.digest ?? "", (whole) => ({
      ...whole,
      body: Buffer.from(String(whole.body)).toString().replace("linux", "xunil"),
    }));
    expect(await failing(made.name)).toContain("wrong digest");
    await thenSucceeds(made);
  });

  test("a manifest asked for by digest is another one", async () => {
    const made = await fresh();
    const other = await fresh();
    const name = `${made.name.replace(/:v1$/, "")}@${made.image.top.digest}`;
    registry.fault = (request) =>
      request.path.includes("/manifests/")
        ? { status: 200, headers: { "content-type": made.image.top.mediaType }, body: other.image.top.bytes }
        : undefined;
    const result = await engine.proa(["pull", "-q", name]);
    expect(result.stderr).toContain("wrong digest");
    registry.fault = () => undefined;
    await thenSucceeds(made);
  });

  test("the length announced is not the manifest's", async () => {
    const made = await fresh();
    registry.fault = atBlob(made.large.digest, (whole) => ({
      ...whole,
      body: `${Buffer.from(whole.body ?? "")}more`,
    }));
    expect(await failing(made.name)).toMatch(/it announces \d+ bytes, the manifest \d+/);
    await thenSucceeds(made);
  });

  test("more comes than the manifest announces, with no length told", async () => {
    const made = await fresh();
    registry.fault = atBlob(made.large.digest, (whole) => {
      const body = Buffer.concat([Buffer.from(whole.body ?? ""), Buffer.alloc(1000)]);
      const chunked = Buffer.concat([
        Buffer.from(`${body.length.toString(16)}\r\n`),
        body,
        Buffer.from("\r\n0\r\n\r\n"),
      ]);
      return { status: 200, headers: { "transfer-encoding": "chunked" }, body: chunked };
    });
    // a test server that sends both lengths would be a lie about the protocol, not about the blob
    const error = await failing(made.name);
    expect(error).toMatch(/more than|announces|fetch blob/);
    await thenSucceeds(made);
  });

  test("a layer is cut off in the middle of its gzip stream, with the right digest", async () => {
    const tar = await tarOf({ large: noise() });
    const whole = gzipSync(tar);
    const cut = {
      ...blobOf("application/vnd.oci.image.layer.v1.tar+gzip", whole.subarray(0, 100_000)),
      diffId: digestOf(tar),
    };
    const made = await fresh(() => cut);
    expect(await failing(made.name)).toMatch(/^unpack layer: sha256:[0-9a-f]{64}: /);
  });

  test("a layer's gzip stream is broken, with the right digest", async () => {
    const tar = await tarOf({ large: noise() });
    const whole = gzipSync(tar);
    whole.fill(0x55, 50_000, 51_000);
    const made = await fresh(() => ({
      ...blobOf("application/vnd.oci.image.layer.v1.tar+gzip", whole),
      diffId: digestOf(tar),
    }));
    expect(await failing(made.name)).toMatch(/^unpack layer: sha256:[0-9a-f]{64}: /);
  });

  test("a layer is no archive at all", async () => {
    const bytes = gzipSync(Buffer.from("this is text, not an archive. ".repeat(100)));
    const made = await fresh(() => ({
      ...blobOf("application/vnd.oci.image.layer.v1.tar+gzip", bytes),
      diffId: digestOf("this is text, not an archive. ".repeat(100)),
    }));
    expect(await failing(made.name)).toMatch(/^unpack layer: sha256:[0-9a-f]{64}: /);
  });

  test("a layer unpacks to something else than the config says", async () => {
    const made = await fresh((layer) => ({ ...layer, diffId: digestOf("another") }));
    expect(await failing(made.name)).toContain(digestOf("another"));
  });

  test("the registry answers with a web page", async () => {
    const made = await fresh();
    registry.fault = () => ({
      status: 200,
      headers: { "content-type": "text/html" },
      body: "<html><h1>Sign in</h1></html>",
    });
    const error = await failing(made.name);
    expect(error).toContain("web page");
    expect(error).not.toContain("<h1>");
    await thenSucceeds(made);
  });

  test("a layer is a web page with the right length", async () => {
    const made = await fresh();
    registry.fault = atBlob(made.large.digest, (whole) => ({
      ...whole,
      headers: { "content-type": "text/html" },
    }));
    expect(await failing(made.name)).toContain("web page");
    await thenSucceeds(made);
  });

  test.each([
    ["an empty object", "{}"],
    ["no JSON", "<?xml version='1.0'?>"],
    ["a list", "[]"],
    [
      "a manifest without layers",
      JSON.stringify({ schemaVersion: 2, config: { digest: digestOf("x"), size: 1 } }),
    ],
    ["schema 1", JSON.stringify({ schemaVersion: 1, name: "x", tag: "y", fsLayers: [], history: [] })],
    [
      "negative sizes",
      JSON.stringify({
        schemaVersion: 2,
        config: { mediaType: "a/b", digest: digestOf("x"), size: -1 },
        layers: [],
      }),
    ],
    [
      "a path for a digest",
      JSON.stringify({
        schemaVersion: 2,
        config: { mediaType: "a/b", digest: "sha256:../../../../etc/passwd", size: 1 },
        layers: [],
      }),
    ],
    ["very deep JSON", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
  ])("the manifest is %s", async (_what, body) => {
    const made = await fresh();
    registry.fault = (request) =>
      request.path.includes("/manifests/")
        ? { status: 200, headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" }, body }
        : undefined;
    expect((await failing(made.name)).length).toBeLessThan(600);
    await thenSucceeds(made);
  });

  test("a manifest without an end", async () => {
    const made = await fresh();
    const body = Buffer.alloc(6 << 20, " ");
    registry.fault = (request) =>
      request.path.includes("/manifests/")
        ? { status: 200, headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" }, body }
        : undefined;
    expect(await failing(made.name)).toContain("longer than");
    await thenSucceeds(made);
  });

  test("the repository needs a login", async () => {
    const made = await fresh();
    registry.fault = () => ({
      ...specError(401, "UNAUTHORIZED", "authentication required"),
      headers: { "www-authenticate": "Basic realm=x" },
    });
    expect(await failing(made.name)).toMatch(/authentication required.*\n.*hint: .*login/);
    await thenSucceeds(made);
  });

  test("an index that leads to an index", async () => {
    const made = await fresh();
    const inner = makeIndex([made.image]);
    registry.addImage(`inner${count}`, "v1", makeIndex([{ ...inner, platform: made.image.platform }]));
    const result = await engine.proa(["pull", "-q", `${registry.host}/inner${count}:v1`]);
    expect(result.stderr).toContain("index");
    expect(result.exitCode).toBe(1);
  });
});

test("nobody listens where the name points: the error says so within seconds", async () => {
  const closed = await FakeRegistry.start();
  const { host } = closed;
  await closed[Symbol.asyncDispose]();
  const result = await engine.proa(["pull", `${host}/x:v1`]);
  expect(result.stderr).toContain(
    `pull image: ${host}/x:v1: fetch manifest: ${host}/x:v1: connection refused`,
  );
  expect(result.exitCode).toBe(1);
});

test("an image that is not there: run says the same, with 125", async () => {
  const name = `${registry.host}/nothing:v1`;
  const result = await engine.proa(["run", "--rm", name, "true"]);
  expect(result.stderr).toContain("manifest unknown");
  expect(result.exitCode).toBe(125);
});

describe("a pull that is interrupted", () => {
  /** A pull that waits in the middle of its second layer. */
  async function stuck(made: Case) {
    let isStuck = false;
    registry.fault = atBlob(made.large.digest, (whole) => {
      isStuck = true;
      return {
        ...whole,
        headers: { "content-length": String(whole.body?.length) },
        body: whole.body?.slice(0, 100_000) ?? "",
        isHeld: true,
      };
    });
    const pull = engine.start(["pull", made.name]);
    await waitUntil(() => isStuck, { what: "request for the layer" });
    await waitUntil(() => strayFiles(engine).some((name) => name.startsWith("ingest/")), {
      what: "half a blob",
    });
    registry.fault = () => undefined;
    return pull;
  }

  test.each(["SIGINT", "SIGTERM"] as const)(
    "by %s leaves nothing, says so in a line, and exits with 128 + N",
    async (signal) => {
      const made = await fresh();
      const pull = await stuck(made);
      pull.kill(signal);
      const stderr = await new Response(pull.stderr).text();
      expect(stderr).not.toContain("    at ");
      expect(stderr.split("\n").filter((line) => line.startsWith("Error: "))).toHaveLength(1);
      expect(await pull.exited).toBe(signal === "SIGINT" ? 130 : 143);
      await expectNothingOf(engine, made.name);
      await thenSucceeds(made);
    },
  );

  test("by Ctrl-C on a terminal leaves the terminal in order", async () => {
    const made = await fresh();
    registry.fault = atBlob(made.large.digest, (whole) => ({
      ...whole,
      headers: { "content-length": String(whole.body?.length) },
      body: whole.body?.slice(0, 100_000) ?? "",
      isHeld: true,
    }));
    const pty = engine.pty(["pull", made.name]);
    await pty.waitFor("Downloading");
    registry.fault = () => undefined;
    pty.write("\x03");
    await pty.waitFor("Error: ");
    expect(await pty.exited).toBe(130);
    expect(pty.output).not.toContain("\x1b[?25l");
    await expectNothingOf(engine, made.name);
    await thenSucceeds(made);
  });

  test("by SIGKILL leaves nothing that can be seen, and the next pull of anything cleans up", async () => {
    const made = await fresh();
    const pull = await stuck(made);
    pull.kill("SIGKILL");
    await pull.exited;
    expect(await engine.ok(["images", "-q", made.name])).toBe("");
    const other = await fresh();
    await thenSucceeds(other);
    await thenSucceeds(made);
  });

  test("run is interrupted in its pull: no container is made", async () => {
    const made = await fresh();
    let isStuck = false;
    registry.fault = atBlob(made.large.digest, (whole) => {
      isStuck = true;
      return { ...whole, headers: { "content-length": String(whole.body?.length) }, body: "", isHeld: true };
    });
    const run = engine.start(["run", "--name", "interrupted", made.name, "true"]);
    await waitUntil(() => isStuck, { what: "request for the layer" });
    registry.fault = () => undefined;
    run.kill("SIGINT");
    expect(await run.exited).toBe(130);
    expect(await engine.ok(["ps", "-aq"])).toBe("");
    await expectNothingOf(engine, made.name);
  });
});

describe("at the same time", () => {
  test("six pulls of one image all succeed, and there is one image", async () => {
    const image = await makeImage({
      layers: [await tinyLayer(), { six: noise() }],
      config: { Env: ["PATH=/bin"] },
    });
    const name = registry.addImage("six", "v1", image);
    const all = await Promise.all(Array.from({ length: 6 }, () => engine.proa(["pull", "-q", name])));
    expect(all.map(({ stderr }) => stderr).join("")).toBe("");
    expect(all.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0, 0, 0]);
    expect((await engine.ok(["images", "-q", name])).split("\n")).toHaveLength(1);
    expect(strayFiles(engine)).toEqual([]);
    expect(await engine.ok(["run", "--rm", name, "stat", "-c", "%s", "/six"])).toBe("300000");
  });

  test("several images that share layers come whole", async () => {
    const shared = await tinyLayer();
    const names = await Promise.all(
      [0, 1, 2, 3].map(async (i) =>
        registry.addImage(
          "sharing",
          `v${i}`,
          await makeImage({
            layers: [shared, { common: "c" }, { own: String(i) }],
            config: { Env: ["PATH=/bin"] },
          }),
        ),
      ),
    );
    await Promise.all(names.map((name) => engine.ok(["pull", "-q", name])));
    const said = await Promise.all(names.map((name) => engine.ok(["run", "--rm", name, "cat", "/own"])));
    expect(said).toEqual(["0", "1", "2", "3"]);
    expect(strayFiles(engine)).toEqual([]);
  });

  test("pulls and removals of one image: each ends, and the store stays whole", async () => {
    const image = await makeImage({
      layers: [await tinyLayer(), { contended: "x" }],
      config: { Env: ["PATH=/bin"] },
    });
    const name = registry.addImage("contended", "v1", image);
    const allowed = /^$|^Error: No such image: \S+: image not known\nhint: .*\n$/;
    for (let round = 0; round < 3; round++) {
      const all = await Promise.all(
        ["pull", "rmi", "pull", "rmi", "pull", "rmi"].map((verb) =>
          engine.proa(verb === "pull" ? ["pull", "-q", name] : ["rmi", name]),
        ),
      );
      for (const [i, { stderr, exitCode }] of all.entries()) {
        if (i % 2 === 0) expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
        else expect(stderr).toMatch(allowed);
      }
    }
    await engine.ok(["pull", "-q", name]);
    expect(await engine.ok(["run", "--rm", name, "cat", "/contended"])).toBe("x");
    expect(strayFiles(engine)).toEqual([]);
  });
});
