/** `proa pull` against a registry: formats, platforms, names, progress. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { makeImage, makeIndex, makeLayer, tarOf, tinyImage, tinyLayer, useEngine } from "../../harness";
import { blobOf, digestOf } from "../../harness/image";
import { FakeRegistry } from "../../registry/_fake";

const engine = useEngine();
let registry: FakeRegistry;

beforeAll(async () => {
  registry = await FakeRegistry.start();
});
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

/** The first words of an image's /said, printed by a container on it. */
const said = (name: string) => engine.ok(["run", "--rm", name, "cat", "/said"]);

const config = { Cmd: ["cat", "/said"], Env: ["PATH=/bin"] };

describe("what is pulled and run", () => {
  test.each([
    ["OCI manifest", "gzip", false],
    ["OCI manifest", "zstd", false],
    ["OCI manifest", "none", false],
    ["Docker v2 schema 2 manifest", "gzip", true],
  ] as const)("%s with %s layers", async (kind, compression, docker) => {
    const text = `${kind} ${compression}`;
    const layers = [await makeLayer(await tarOf({ said: text }), { compression, docker }), await tinyLayer()];
    const name = registry.addImage(
      "formats",
      `${compression}${docker}`,
      await makeImage({ layers, config, docker }),
    );
    expect(await engine.ok(["pull", "-q", name])).toBe(name);
    expect(await said(name)).toBe(text);
  });

  test.each([false, true])("the host's platform of an index (Docker's: %p)", async (docker) => {
    const layer = await tinyLayer();
    const here = await makeImage({ layers: [layer, { said: "here" }], config, docker });
    const other = await makeImage({
      layers: [layer, { said: "other" }],
      config,
      docker,
      platform: { os: "linux", architecture: "s390x" },
    });
    const name = registry.addImage("index", String(docker), makeIndex([other, here], { docker }));
    await engine.ok(["pull", "-q", name]);
    expect(await said(name)).toBe("here");
  });

  test("layers of several gzip members, as parallel compressors write them", async () => {
    const tar = Buffer.from(await tarOf({ said: "members", big: Buffer.alloc(300_000, "b") }));
    const bytes = Buffer.concat(
      [0, 1, 2, 3].map((i) => gzipSync(tar.subarray(i * 80_000, i === 3 ? tar.length : (i + 1) * 80_000))),
    );
    const blob = blobOf("application/vnd.oci.image.layer.v1.tar+gzip", bytes);
    const image = await makeImage({
      layers: [await tinyLayer(), { ...blob, diffId: digestOf(tar) }],
      config,
    });
    expect(await pullAndSay("members", image)).toBe("members");
  });

  test("layers of several zstd frames, one of them skippable", async () => {
    const tar = Buffer.from(await tarOf({ said: "frames" }));
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const bytes = Buffer.concat([
      zstdCompressSync(tar.subarray(0, 512)),
      skippable,
      zstdCompressSync(tar.subarray(512)),
    ]);
    const blob = blobOf("application/vnd.oci.image.layer.v1.tar+zstd", bytes);
    const image = await makeImage({
      layers: [await tinyLayer(), { ...blob, diffId: digestOf(tar) }],
      config,
    });
    expect(await pullAndSay("frames", image)).toBe("frames");
  });

  test("a layer whose media type says gzip and whose bytes are zstd: the bytes count", async () => {
    const tar = Buffer.from(await tarOf({ said: "mislabelled" }));
    const blob = blobOf("application/vnd.oci.image.layer.v1.tar+gzip", zstdCompressSync(tar));
    const image = await makeImage({
      layers: [await tinyLayer(), { ...blob, diffId: digestOf(tar) }],
      config,
    });
    expect(await pullAndSay("mislabelled", image)).toBe("mislabelled");
  });

  test("a layer of 40 MB that does not compress, whole", async () => {
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
    const content = Buffer.concat(
      Array.from({ length: 640 }, (_, i) => Buffer.concat([Buffer.from(`${i}\n`), noise])),
    );
    const image = await makeImage({ layers: [await tinyLayer(), { big: content }], config });
    const name = registry.addImage("large", "v1", image);
    await engine.ok(["pull", "-q", name]);
    const sum = new Bun.CryptoHasher("sha256").update(content).digest("hex");
    expect(await engine.ok(["run", "--rm", name, "sha256sum", "/big"])).toBe(`${sum}  /big`);
    await engine.ok(["rmi", name]);
  });

  test("an image of 60 layers, the highest one on top", async () => {
    const steps = Array.from({ length: 60 }, (_, i) => ({ said: `layer ${i}`, [`file${i}`]: String(i) }));
    const image = await makeImage({ layers: [await tinyLayer(), ...steps], config });
    expect(await pullAndSay("deep", image)).toBe("layer 59");
    expect(
      await engine.ok(["run", "--rm", `${registry.host}/deep:v1`, "cat", "/file0", "/file30", "/file58"]),
    ).toBe("03058");
  });
});

async function pullAndSay(repository: string, image: Awaited<ReturnType<typeof makeImage>>): Promise<string> {
  const name = registry.addImage(repository, "v1", image);
  await engine.ok(["pull", "-q", name]);
  return said(name);
}

describe("proa pull", () => {
  test("takes latest where no tag is given, and prints the name in full", async () => {
    registry.addImage("plain", "latest", await tinyImage());
    expect(await engine.ok(["pull", "--quiet", `${registry.host}/plain`])).toBe(
      `${registry.host}/plain:latest`,
    );
  });

  test("pulls by digest, with and without a tag beside it", async () => {
    const image = await tinyImage();
    registry.addImage("bydigest", "v1", image);
    const name = `${registry.host}/bydigest@${image.top.digest}`;
    expect(await engine.ok(["pull", "-q", name])).toBe(name);
    expect(await engine.ok(["run", "--rm", name, "echo", "a"])).toBe("a");
    await engine.ok(["pull", "-q", `${registry.host}/bydigest:v1@${image.top.digest}`]);
    expect(
      await engine.ok([
        "images",
        "--digests",
        "--format",
        "{{.Tag}} {{.Digest}}",
        `${registry.host}/bydigest`,
      ]),
    ).toBe(
      `<none> ${image.top.digest}`, // the tag beside a digest is for people
    );
  });

  test("pulls several, reports the one that fails and still pulls the others", async () => {
    const name = registry.addImage("several", "v1", await tinyImage());
    const missing = `${registry.host}/several:v2`;
    const result = await engine.proa(["pull", "-q", missing, name]);
    expect(result.stdout).toBe(`${name}\n`);
    expect(result.stderr).toBe(
      `Error: pull image: ${missing}: fetch manifest: ${missing}: manifest unknown [MANIFEST_UNKNOWN] (GET http://${registry.host}/v2/several/manifests/v2: 404)\nhint: check the name and the tag\n`,
    );
    expect(result.exitCode).toBe(1);
  });

  test("prints plain lines to a pipe: no escape sequence, each layer once when it begins and when it is done", async () => {
    const image = await makeImage({ layers: [await tinyLayer(), { a: "plain progress" }] });
    const name = registry.addImage("progress", "v1", image);
    await engine.proa(["rmi", name]);
    const result = await engine.proa(["pull", name]);
    expect(result.stdout).toBe(`${name}\n`);
    expect(result.stderr).not.toMatch(/[\x1b\r]/);
    const lines = result.stderr.trimEnd().split("\n");
    expect(lines[0]).toBe(`${name}: pulling`);
    expect(lines.at(-1)).toBe(`Digest: ${image.top.digest}`);
    const short = image.blobs[2]?.digest.slice(7, 19);
    expect(lines.filter((line) => line.startsWith(`${short}: `))).toEqual([
      `${short}: Pulling fs layer`,
      `${short}: Pull complete`,
    ]);
  });

  test("says Already exists for a layer that is here, and Digest again for an image that is", async () => {
    const image = await makeImage({ layers: [await tinyLayer(), { a: "here already" }] });
    const name = registry.addImage("again", "v1", image);
    await engine.ok(["pull", name]);
    const again = await engine.proa(["pull", name]);
    const names = image.blobs.slice(1).map(({ digest }) => digest.slice(7, 19));
    expect(again.stderr.trimEnd().split("\n").toSorted()).toEqual(
      [
        `${name}: pulling`,
        ...names.map((short) => `${short}: Already exists`),
        `Digest: ${image.top.digest}`,
      ].toSorted(),
    );
  });

  test("draws bars on a terminal that fit its width, and leaves the layers' last state", async () => {
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
    const image = await makeImage({
      layers: [{ bars: Buffer.concat(Array(40).fill(noise)) }, { other: "o" }],
    });
    const name = registry.addImage("bars", "v1", image);
    let release: () => void = () => undefined;
    const large = image.blobs[1]?.digest ?? "";
    registry.fault = (request) => {
      if (!request.path.endsWith(large) || request.headers.range !== undefined) return undefined;
      const whole = registry.answer(request);
      return { ...whole, cutAfter: 60_000 }; // the rest comes with the second request
    };
    release = () => {
      registry.fault = () => undefined;
    };
    const pty = engine.pty(["pull", name], { cols: 60, rows: 10 });
    try {
      await pty.waitFor(/[0-9a-f]{12}: Downloading \[[=> ]+\] {2}[\d.]+k?B\/[\d.]+/);
      await pty.waitFor(`${large.slice(7, 19)}: Pull complete`);
      await pty.waitFor(`Digest: ${image.top.digest}`);
      expect(await pty.exited).toBe(0);
    } finally {
      release();
    }
    const widest = Math.max(
      ...pty.output
        .replaceAll(/\x1b\[[0-9;]*[A-Za-z]/g, "\n")
        .split(/[\r\n]+/)
        .filter((line) => line.includes("Downloading"))
        .map((line) => line.length),
    );
    expect(widest).toBeGreaterThan(40);
    expect(widest).toBeLessThan(60);
  });

  test("survives a terminal of a few columns and one row", async () => {
    const image = await makeImage({ layers: [{ narrow: "1" }, { narrow: "2" }, { narrow: "3" }] });
    const name = registry.addImage("narrow", "v1", image);
    const pty = engine.pty(["pull", name], { cols: 5, rows: 1 });
    expect(await pty.exited).toBe(0);
  });

  test("-q and a redirected stderr print nothing but the name", async () => {
    const name = registry.addImage("quiet", "v1", await makeImage({ layers: [{ quiet: "1" }] }));
    const result = await engine.proa(["pull", "-q", name]);
    expect(result.stderr).toBe("");
    expect(result.stdout).toBe(`${name}\n`);
  });

  test("does not ask the registry with --policy missing where the image is here, and not at all with never", async () => {
    const name = registry.addImage("policy", "v1", await makeImage({ layers: [{ policy: "1" }] }));
    const never = await engine.proa(["pull", "--policy", "never", name]);
    expect(never.stderr).toBe(
      `Error: No such image: ${name}: image not known\nhint: pull it: proa pull ${name}\n`,
    );
    await engine.ok(["pull", "-q", name]);
    registry.requests.length = 0;
    await engine.ok(["pull", "-q", "--policy", "missing", name]);
    expect(registry.requests).toEqual([]);
  });
});

describe("--platform", () => {
  const platforms = ["linux/s390x", "linux/arm/v7", "linux/arm64"] as const;

  async function addIndex(repository: string): Promise<string> {
    const images = await Promise.all(
      platforms.map(async (text) => {
        const [os = "", architecture = "", variant] = text.split("/");
        const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
        return makeImage({ layers: [{ said: text }], platform });
      }),
    );
    return registry.addImage(repository, "v1", makeIndex(images));
  }

  test("takes the image of another platform, which inspect tells", async () => {
    const name = await addIndex("platforms");
    await engine.ok(["pull", "-q", "--platform", "linux/arm/v7", name]);
    expect(await engine.ok(["image", "inspect", "-f", "{{.Os}}/{{.Architecture}}/{{.Variant}}", name])).toBe(
      "linux/arm/v7",
    );
  });

  test("lists those that are there where the image has none for it", async () => {
    const name = await addIndex("unknown-platform");
    const result = await engine.proa(["pull", "-q", "--platform", "linux/riscv64", name]);
    expect(result.stderr).toBe(
      `Error: pull image: ${name}: choose platform: linux/riscv64: the image has none for it\n` +
        `hint: ${name} is there for: ${platforms.join(", ")}\n`,
    );
    expect(result.exitCode).toBe(1);
  });

  test.each(["", "linux/", "windows/amd64/x/y", "linux/am d64", "amd64\n"])(
    "%p is refused before anything is asked",
    async (text) => {
      registry.requests.length = 0;
      const result = await engine.proa(["pull", "-q", "--platform", text, `${registry.host}/platforms:v1`]);
      expect(result.stderr).toStartWith("Error: ");
      expect(result.stderr).not.toContain("internal");
      expect(result.exitCode).toBeGreaterThan(0);
      expect(registry.requests).toEqual([]);
    },
  );

  test("a container on an image for another machine is warned of, at each start, unless the platform was asked for", async () => {
    const name = await addIndex("foreign");
    await engine.ok(["pull", "-q", "--platform", "linux/s390x", name]);
    const run = (...options: string[]) =>
      engine.proa(["run", "--rm", "--pull", "never", ...options, name, "/said"]);
    expect((await run()).stderr).toStartWith(`Warning: ${name} is for linux/s390x, this host is linux/`);
    expect((await run("--platform", "linux/s390x")).stderr).not.toContain("Warning");
  });
});

describe("names that are none", () => {
  test.each([
    "",
    " ",
    "UPPER/case:v1",
    "a//b",
    "a:b:c",
    "a@sha256:12",
    "a@md5:d41d8cd98f00b204e9800998ecf8427e",
    "-dash/x",
    `${"a".repeat(300)}:v1`,
    `x:${"t".repeat(129)}`,
    "../../etc/passwd",
    "http://127.0.0.1:1/x",
    "127.0.0.1:99999/x:v1",
    "x\ny",
    "x\x1b[31m",
    "[::1/x",
  ])("%p is refused without a stack, and nothing is pulled", async (name) => {
    const result = await engine.proa(["pull", "-q", "--", name]);
    expect(result.stdout).toBe("");
    expect(result.stderr).toStartWith("Error: ");
    expect(result.stderr).not.toMatch(/internal|undefined|\x1b/);
    expect(result.stderr.split("\n").length).toBeLessThanOrEqual(4);
    expect(result.exitCode).toBeGreaterThan(0);
  });

  test("no name at all is a usage error", async () => {
    const result = await engine.proa(["pull"]);
    expect(result.stderr).toContain("See 'proa pull --help'.");
    expect(result.exitCode).toBe(125);
  });
});
