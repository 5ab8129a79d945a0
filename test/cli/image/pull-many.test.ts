/** Layers of a million entries and of the longest names: taken or refused in bounded memory, and gone again afterwards. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createGzip } from "node:zlib";
import { makeImage, type Tree, tarOf, tinyLayer, useEngine } from "../../harness";
import { blobOf, digestOf, type Layer } from "../../harness/image";
import { FakeRegistry } from "../../registry/_fake";
import { strayFiles } from "./_spoilt";

const engine = useEngine();
let registry: FakeRegistry;

beforeAll(async () => {
  registry = await FakeRegistry.start();
});
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

const sumOf = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => sum + byte, 0);

/** A layer of a million directories' headers, made of one: only its name and checksum are others. Most of them speak of one that is there. */
async function manyDirectories(count: number, names: number): Promise<Layer> {
  const header = Buffer.alloc(512);
  header.write("0000755\x000000000\x000000000\x0000000000000\x0014000000000\x00        5", 100, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  const bare = sumOf(header);
  const variants = Array.from({ length: names }, (_, at) => {
    const one = Buffer.from(header);
    const name = Buffer.from(`d/${at}/`);
    name.copy(one);
    one.write(`${(bare + sumOf(name)).toString(8).padStart(6, "0")}\x00 `, 148, "latin1");
    return one;
  });
  const batch = Buffer.concat(variants);
  const gzip = createGzip({ level: 1 });
  const hasher = new Bun.CryptoHasher("sha256");
  const whole = new Response(gzip as unknown as ReadableStream).bytes();
  const put = async (bytes: Buffer): Promise<void> => {
    hasher.update(bytes);
    if (!gzip.write(bytes)) await new Promise((resolve) => gzip.once("drain", resolve));
  };
  for (let done = 0; done < count; done += names) await put(batch);
  await put(Buffer.alloc(1024));
  gzip.end();
  const diffId = `sha256:${hasher.digest("hex")}`;
  return { ...blobOf("application/vnd.oci.image.layer.v1.tar+gzip", await whole), diffId };
}

/** The most memory of proa and the processes below it while PID lives, in MiB. */
async function peakMemory(pid: number, until: Promise<unknown>): Promise<number> {
  const peaks = new Map<string, number>();
  let isOver = false;
  void until.then(() => {
    isOver = true;
  });
  const read = (path: string) =>
    Bun.file(path)
      .text()
      .catch(() => "");
  while (!isOver) {
    const children = (await read(`/proc/${pid}/task/${pid}/children`)).trim().split(" ").filter(Boolean);
    const below = await Promise.all(children.map((child) => read(`/proc/${child}/task/${child}/children`)));
    for (const each of [String(pid), ...children, ...below.join(" ").trim().split(/\s+/).filter(Boolean)]) {
      const status = await read(`/proc/${each}/status`);
      if (/^Name:\t(bun|Bun)/m.test(status)) continue; // before it executes proa it is a copy of this process
      const kib = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0);
      peaks.set(each, Math.max(peaks.get(each) ?? 0, kib));
    }
    await Bun.sleep(20);
  }
  const worst = Math.max(...peaks.values());
  expect(worst).toBeGreaterThan(0);
  return worst / 1024;
}

test("a million entries are unpacked in bounded memory", async () => {
  const layer = await manyDirectories(1_000_000, 1000);
  const layers = [await tinyLayer(), layer, { said: "all" }];
  const name = registry.addImage(
    "million",
    "v1",
    await makeImage({ layers, config: { Env: ["PATH=/bin"] } }),
  );
  const pull = engine.start(["pull", "-q", name]);
  const watched = peakMemory(pull.pid, pull.exited);
  expect(await new Response(pull.stderr).text()).toBe("");
  expect(await pull.exited).toBe(0);
  expect(await watched).toBeLessThan(150);
  const shown = await engine.ok(["run", "--rm", name, "sh", "-c", "ls /d | wc -l; cat /said"]);
  expect(shown).toBe("1000\nall");
  await engine.ok(["rmi", name]);
  expect(strayFiles(engine)).toEqual([]);
}, 120_000);

describe("names of four kilobytes", () => {
  const long = (bytes: number): string => {
    const parts: string[] = [];
    for (let left = bytes; left > 0; left -= 201) parts.push("n".repeat(Math.min(200, left)));
    return parts.join("/");
  };

  async function pulled(path: string) {
    const tree: Tree = { [path]: "far", said: "here" };
    const tar = await tarOf(tree);
    const blob = {
      ...blobOf("application/vnd.oci.image.layer.v1.tar+gzip", Bun.gzipSync(Buffer.from(tar))),
      diffId: digestOf(tar),
    };
    const image = await makeImage({ layers: [await tinyLayer(), blob], config: { Env: ["PATH=/bin"] } });
    const name = registry.addImage(`long${path.length}`, "v1", image);
    return { name, ...(await engine.proa(["pull", "-q", name])) };
  }

  test("the longest that the kernel takes is there, and goes again", async () => {
    const path = long(4000);
    const { name, stderr, exitCode } = await pulled(path);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(await engine.ok(["run", "--rm", name, "cat", `/${path}`])).toBe("far");
    expect((await engine.proa(["system", "check"])).stdout).toBe("");
    await engine.ok(["rmi", name]);
    expect(strayFiles(engine)).toEqual([]);
  });

  test("one that is longer is refused, by a message of a line", async () => {
    const { name, stderr, exitCode } = await pulled(long(5000));
    expect(stderr).toStartWith(`Error: pull image: ${name}: unpack layer: sha256:`);
    expect(stderr).toContain("too long");
    expect(stderr.split("\n")[0]?.length).toBeLessThan(1000);
    expect(exitCode).toBe(1);
    expect(strayFiles(engine)).toEqual([]);
  });
});
