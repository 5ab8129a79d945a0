/** Documents and layers without measure: refused with the limit named, or taken, in bounded memory; the store stays whole. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { makeImage, makeLayer, type Tree, tarOf, tinyLayer, useEngine } from "../../harness";
import { blobOf, digestOf } from "../../harness/image";
import { FakeRegistry } from "../../registry/_fake";
import { strayFiles } from "./_spoilt";

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

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";

/** The most memory that a process had in it, in MiB, as far as looking at it every few milliseconds tells. */
async function peakMemory(pid: number, until: Promise<unknown>): Promise<number> {
  let peak = 0;
  let isOver = false;
  void until.then(() => {
    isOver = true;
  });
  while (!isOver) {
    const status = await Bun.file(`/proc/${pid}/status`)
      .text()
      .catch(() => "");
    // before it executes proa it is a copy of this process
    if (/^Name:\tproa$/m.test(status))
      peak = Math.max(peak, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0));
    await Bun.sleep(5);
  }
  expect(peak).toBeGreaterThan(0);
  return peak / 1024;
}

/** A pull that has to fail: its words, and the memory that it took, in MiB. */
async function failing(name: string): Promise<{ text: string; memory: number }> {
  const pull = engine.start(["pull", "-q", name]);
  const watched = peakMemory(pull.pid, pull.exited);
  const text = await new Response(pull.stderr).text();
  expect(text).toStartWith(`Error: pull image: ${name}: `);
  expect(text.length).toBeLessThan(1000);
  expect(text).not.toMatch(/internal|undefined| {4}at /);
  expect(await pull.exited).toBe(1);
  expect(strayFiles(engine)).toEqual([]);
  registry.fault = () => undefined;
  return { text, memory: await watched };
}

describe("documents of 100 MB", () => {
  const body = Buffer.alloc(100 << 20, " ");
  const chunked = Buffer.concat([
    Buffer.from(`${body.length.toString(16)}\r\n`),
    body,
    Buffer.from("\r\n0\r\n\r\n"),
  ]);

  test.each([
    ["a manifest", MANIFEST, undefined],
    ["an index", INDEX, undefined],
    ["a manifest that tells no length", MANIFEST, chunked],
  ])("%s", async (_what, type, without) => {
    registry.fault = ({ path }) =>
      path.includes("/manifests/")
        ? {
            status: 200,
            headers: {
              "content-type": type,
              ...(without === undefined ? {} : { "transfer-encoding": "chunked" }),
            },
            body: without ?? body,
          }
        : undefined;
    const { text, memory } = await failing(`${registry.host}/large:v1`);
    expect(text).toContain("longer than 4194304 bytes");
    expect(memory).toBeLessThan(150);
  });

  test("a config that the manifest announces", async () => {
    const image = await makeImage({ layers: [{ x: "x" }] });
    const manifest = JSON.parse(Buffer.from(image.top.bytes).toString());
    manifest.config.size = 100 << 20;
    registry.addManifest("config", "v1", manifest, MANIFEST);
    const { text } = await failing(`${registry.host}/config:v1`);
    expect(text).toContain("104857600 bytes, the limit is 8388608");
  });
});

test.each([
  ["layers", { layers: 501 }, "501 entries, the limit is 500"],
  ["entries of an index", { manifests: 10_001 }, "10001 entries, the limit is 10000"],
] as const)("too many %s", async (_what, counts, words) => {
  const entry = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: digestOf("x"), size: 1 };
  const config = { ...entry, mediaType: "application/vnd.oci.image.config.v1+json" };
  const document =
    "layers" in counts
      ? { schemaVersion: 2, mediaType: MANIFEST, config, layers: Array(counts.layers).fill(entry) }
      : {
          schemaVersion: 2,
          mediaType: INDEX,
          manifests: Array(counts.manifests).fill({ ...entry, mediaType: MANIFEST }),
        };
  registry.addManifest("counts", "v1", document, document.mediaType);
  expect((await failing(`${registry.host}/counts:v1`)).text).toContain(words);
});

describe("layers", () => {
  test("of twenty thousand entries and long paths are unpacked in bounded memory", async () => {
    const tree: Tree = {};
    for (let i = 0; i < 20_000; i++) tree[`many/${i % 100}/file-${i}`] = "";
    const long = Array.from({ length: 15 }, () => "n".repeat(200)).join("/"); // 3 KB
    tree[long] = "far";
    const image = await makeImage({ layers: [await tinyLayer(), tree], config: { Env: ["PATH=/bin"] } });
    const name = registry.addImage("entries", "v1", image);
    const pull = engine.start(["pull", "-q", name]);
    const watched = peakMemory(pull.pid, pull.exited);
    expect(await new Response(pull.stderr).text()).toBe("");
    expect(await pull.exited).toBe(0);
    expect(await watched).toBeLessThan(150);
    expect(
      await engine.ok([
        "run",
        "--rm",
        name,
        "sh",
        "-c",
        "find /many -type f | wc -l; cat /nnn*/*/*/*/*/*/*/*/*/*/*/*/*/*/*",
      ]),
    ).toBe("20000\nfar");
    expect((await engine.proa(["system", "check"])).stdout).toBe("");
    await engine.ok(["rmi", name]);
    expect(strayFiles(engine)).toEqual([]);
  });

  test("whose blob is another layer's: found out by the digest", async () => {
    const [one, two] = [await makeLayer({ a: "aaaa" }), await makeLayer({ a: "bbbb" })];
    const name = registry.addImage(`swapped${count++}`, "v1", await makeImage({ layers: [one] }));
    registry.fault = (request) =>
      request.path.endsWith(one.digest)
        ? {
            status: 200,
            headers: { "content-length": String(one.bytes.length) },
            body: Buffer.concat([
              two.bytes,
              Buffer.alloc(Math.max(0, one.bytes.length - two.bytes.length)),
            ]).subarray(0, one.bytes.length),
          }
        : undefined;
    expect((await failing(name)).text).toContain("wrong digest");
    await engine.ok(["pull", "-q", name]);
  });

  test("with bytes behind the end of the archive: they belong to the digest, and are no files", async () => {
    const tar = Buffer.concat([Buffer.from(await tarOf({ said: "end" })), Buffer.alloc(1 << 20, "x")]);
    const blob = {
      ...blobOf("application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(tar)),
      diffId: digestOf(tar),
    };
    const name = registry.addImage(
      `behind${count++}`,
      "v1",
      await makeImage({ layers: [await tinyLayer(), blob] }),
    );
    await engine.ok(["pull", "-q", name]);
    expect(await engine.ok(["run", "--rm", name, "cat", "/said"])).toBe("end");
    expect((await engine.proa(["system", "check"])).stdout).toBe("");
  });
});

test("a registry that goes on after a break sends the rest alone", async () => {
  const layer = await makeLayer({ large: new Uint8Array(600_000).map(() => Math.random() * 256) });
  const name = registry.addImage(`resumed${count++}`, "v1", await makeImage({ layers: [layer] }));
  const ranges: (string | undefined)[] = [];
  registry.fault = (request) => {
    if (!request.path.endsWith(layer.digest)) return undefined;
    ranges.push(request.headers["range"]);
    return ranges.length === 1 ? { ...registry.answer(request), cutAfter: 200_000 } : undefined;
  };
  await engine.ok(["pull", "-q", name]);
  registry.fault = () => undefined;
  expect(ranges[0]).toBeUndefined();
  expect(ranges[1]).toMatch(/^bytes=\d{4,}-$/);
});
