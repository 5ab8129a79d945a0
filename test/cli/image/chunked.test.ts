/** `push --compression-format zstd:chunked`: for others an ordinary zstd layer, with a table of contents that says the truth. */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { makeImage, makeLayer, pushImage, tinyLayer, useEngine, useRegistry } from "../../harness";

const registry = useRegistry();
const engine = useEngine();
const skopeo = Bun.which("skopeo");
const podman = Bun.which("podman");

type Entry = {
  type: string;
  name: string;
  size?: number;
  digest?: string;
  offset?: number;
  endOffset?: number;
  chunkSize?: number;
  chunkOffset?: number;
  chunkDigest?: string;
  xattrs?: Record<string, string>;
  linkName?: string;
  uid?: number;
  mode?: number;
  modtime?: string;
};
type Layer = { mediaType: string; digest: string; size: number; annotations?: Record<string, string> };

const sum = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const random = Buffer.concat(
  Array.from({ length: 50 }, () => crypto.getRandomValues(new Uint8Array(50_000))),
);

let made = 0;

/** An image that was pushed as zstd:chunked, and what the registry has of it. */
async function pushed(more: string[] = []) {
  const content = await makeLayer({
    "a/small": "small\n",
    "a/empty": "",
    "a/large": random,
    "a/link": { type: "symlink", target: "small" },
    "a/hard": { type: "link", target: "a/small" },
    "a/mine": { content: "mine", uid: 1000, gid: 3000, mode: 0o4750, xattrs: { "user.colour": "blue" } },
    [`${"long/".repeat(60)}name`]: "deep",
  });
  const image = await makeImage({
    layers: [await tinyLayer(), content],
    config: { Cmd: ["sh"], Env: ["PATH=/bin"] },
  });
  const from = await pushImage(`${registry.host}/from${made}:v1`, image);
  const name = `${registry.host}/chunked${made++}:v1`;
  await engine.ok(["pull", "-q", "--policy", "missing", from]);
  await engine.ok(["push", "-q", "--compression-format", "zstd:chunked", ...more, from, name]);
  const [, path = "", tag = ""] = /^[^/]+\/(.+):(.+)$/.exec(name) ?? [];
  const answer = await fetch(`http://${registry.host}/v2/${path}/manifests/${tag}`, {
    headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
  });
  const { layers } = (await answer.json()) as { layers: Layer[] };
  const blobs = await Promise.all(
    layers.map(async ({ digest }) =>
      Buffer.from(await (await fetch(`http://${registry.host}/v2/${path}/blobs/${digest}`)).arrayBuffer()),
    ),
  );
  return { name, from, layers, blobs, diffIds: [content.diffId] };
}

describe("push --compression-format zstd:chunked", () => {
  test("the same tar in frames, and a table that finds each file in it", async () => {
    const { layers, blobs, diffIds } = await pushed();
    const blob = blobs[1] ?? Buffer.alloc(0);
    const { mediaType, annotations = {} } = layers[1] ?? { mediaType: "" };
    expect(mediaType).toBe("application/vnd.oci.image.layer.v1.tar+zstd");
    expect(sum(zstdDecompressSync(blob))).toBe(diffIds[0] ?? "");
    const position = annotations["io.github.containers.zstd-chunked.manifest-position"] ?? "";
    const [at = 0, compressed = 0, size = 0, type] = position.split(":").map(Number);
    const table = blob.subarray(at, at + compressed);
    expect(type).toBe(1);
    expect(annotations["io.github.containers.zstd-chunked.manifest-checksum"]).toBe(sum(table));
    expect(blob.readUInt32LE(at - 8)).toBe(0x184d2a50);
    expect(blob.readUInt32LE(at - 4)).toBe(compressed);
    const text = zstdDecompressSync(table);
    expect(text.length).toBe(size);
    const footer = blob.subarray(-64);
    expect([0, 8, 16, 24].map((place) => Number(footer.readBigUInt64LE(place)))).toEqual([
      at,
      compressed,
      size,
      1,
    ]);
    expect(footer.toString("latin1", 56)).toBe("GNUlInUx");
    expect(blob.readUInt32LE(blob.length - 72)).toBe(0x184d2a50);
    const { version, entries } = JSON.parse(text.toString()) as { version: number; entries: Entry[] };
    expect(version).toBe(1);
    const named = (name: string) => entries.filter((entry) => entry.name === name);
    const piece = (from = 0, to = 0) => zstdDecompressSync(blob.subarray(from, to));
    const [small] = named("a/small");
    expect(piece(small?.offset, small?.endOffset).toString()).toBe("small\n");
    expect(small?.digest).toBe(sum(Buffer.from("small\n")));
    expect(named("a/empty")).toEqual([
      { type: "reg", name: "a/empty", mode: 0o644, modtime: "2024-01-02T03:04:05Z" },
    ]);
    expect(named("a/link")[0]).toMatchObject({ type: "symlink", linkName: "small" });
    expect(named("a/hard")[0]).toMatchObject({ type: "hardlink", linkName: "a/small" });
    const colour = Buffer.from("blue").toString("base64");
    expect(named("a/mine")[0]).toMatchObject({
      uid: 1000,
      gid: 3000,
      mode: 0o4750,
      xattrs: { "user.colour": colour },
    });
    expect(named(`${"long/".repeat(60)}name`)).toHaveLength(1);
    const pieces = named("a/large");
    expect(pieces.map(({ type }) => type)).toEqual(["reg", "chunk", "chunk"]);
    expect(pieces[0]?.digest).toBe(sum(random));
    const ends = pieces.map((_, place) => pieces[place + 1]?.offset ?? pieces[0]?.endOffset);
    const plain = pieces.map(({ offset }, place) => piece(offset, ends[place]));
    expect(plain.map(sum)).toEqual(pieces.map(({ chunkDigest = "" }) => chunkDigest));
    expect(Buffer.concat(plain).equals(random)).toBe(true);
  });

  test("it comes back as what it was, and is not made again", async () => {
    const { name, from, layers } = await pushed();
    await engine.ok(["rmi", "-f", from]);
    await engine.ok(["pull", "-q", name]);
    expect(await engine.ok(["run", "--rm", name, "cat", "/a/small", "/a/hard"])).toBe("small\nsmall");
    const again = `${registry.host}/again${made}:v1`;
    await engine.ok(["push", "-q", "--compression-format", "zstd:chunked", name, again]);
    const answer = await fetch(
      `http://${registry.host}/v2/${again.split("/")[1]?.split(":")[0]}/manifests/v1`,
      {
        headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
      },
    );
    expect(((await answer.json()) as { layers: Layer[] }).layers).toEqual(layers);
    const gzip = `${registry.host}/gzip${made}:v1`;
    await engine.ok(["push", "-q", "--compression-format", "gzip", name, gzip]);
    const other = await fetch(
      `http://${registry.host}/v2/${gzip.split("/")[1]?.split(":")[0]}/manifests/v1`,
      {
        headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
      },
    );
    const packed = ((await other.json()) as { layers: Layer[] }).layers;
    expect(packed.map(({ mediaType, annotations }) => [mediaType, annotations])).toEqual(
      packed.map(() => ["application/vnd.oci.image.layer.v1.tar+gzip", undefined]),
    );
    await engine.ok(["rmi", "-f", name]);
  });

  test.each(["1", "19"])("level %s", async (level) => {
    const { blobs, diffIds, from } = await pushed(["--compression-level", level, "--force-compression"]);
    expect(sum(zstdDecompressSync(blobs[1] ?? Buffer.alloc(0)))).toBe(diffIds[0] ?? "");
    await engine.ok(["rmi", "-f", from]);
  });

  test("what is no list of files stays an ordinary zstd layer: a name that is no UTF-8", async () => {
    const layer = await makeLayer({ "b/name": "x" }, { compression: "none" });
    const tar = Buffer.from(layer.bytes);
    tar[0] = 0xff;
    let total = 0;
    for (let at = 0; at < 512; at++) total += at >= 148 && at < 156 ? 0x20 : (tar[at] ?? 0);
    tar.write(`${total.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    const image = await makeImage({ layers: [await makeLayer(new Uint8Array(tar))] });
    const from = await pushImage(`${registry.host}/odd:v1`, image);
    await engine.ok(["pull", "-q", from]);
    await engine.ok([
      "push",
      "-q",
      "--compression-format",
      "zstd:chunked",
      from,
      `${registry.host}/odd:zstd`,
    ]);
    const answer = await fetch(`http://${registry.host}/v2/odd/manifests/zstd`, {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
    });
    const [only] = ((await answer.json()) as { layers: Layer[] }).layers;
    expect([only?.mediaType, only?.annotations]).toEqual([
      "application/vnd.oci.image.layer.v1.tar+zstd",
      undefined,
    ]);
    await engine.ok(["rmi", "-f", from]);
    const lazy = await engine.proa(["pull", "--lazy", `${registry.host}/odd:zstd`]);
    expect([lazy.exitCode, lazy.stderr]).toEqual([0, expect.stringContaining("has no table of contents")]);
    await engine.ok(["rmi", "-f", `${registry.host}/odd:zstd`]);
  });

  test.each(["oci-archive", "oci-dir"])(
    "save --format %s --compression-format zstd:chunked, and back",
    async (format) => {
      const { from, diffIds } = await pushed();
      const path = join(engine.sandbox.home, `saved-${format}`);
      await engine.ok(["save", "--format", format, "--compression-format", "zstd:chunked", "-o", path, from]);
      const transport = format === "oci-dir" ? "oci" : format;
      const inspected = Bun.spawnSync([skopeo ?? "true", "inspect", "--raw", `${transport}:${path}`]);
      if (skopeo !== null) {
        const { layers } = JSON.parse(inspected.stdout.toString()) as { layers: Layer[] };
        for (const { mediaType, annotations = {} } of layers) {
          expect(mediaType).toEndWith("tar+zstd");
          expect(Object.keys(annotations).join(" ")).toContain("zstd-chunked.manifest-position");
        }
      }
      await engine.ok(["rmi", "-f", from]);
      await engine.ok(format === "oci-dir" ? ["pull", "-q", `oci:${path}`] : ["load", "-i", path]);
      const id = (await engine.ok(["images", "-q", "--no-trunc"])).split("\n")[0] ?? "";
      expect(await engine.ok(["inspect", "-f", "{{index .RootFS.Layers 1}}", id])).toBe(diffIds[0] ?? "");
      await engine.ok(["rmi", "-f", id]);
      const refused = await engine.proa(["save", "--compression-format", "zstd", "-o", path, "x"]);
      expect([refused.exitCode, refused.stderr]).toEqual([
        1,
        expect.stringContaining("oci-archive or oci-dir"),
      ]);
    },
  );

  test.skipIf(skopeo === null)("skopeo reads it", async () => {
    const { name, layers } = await pushed();
    const target = join(engine.sandbox.home, "copied");
    mkdirSync(target, { recursive: true });
    const result = Bun.spawnSync(
      [
        skopeo ?? "",
        "--insecure-policy",
        "copy",
        "--src-tls-verify=false",
        `docker://${name}`,
        `dir:${target}`,
      ],
      { env: { ...engine.sandbox.env, TMPDIR: engine.sandbox.home }, stderr: "pipe" },
    );
    expect([result.exitCode, result.stderr.toString()]).toEqual([0, expect.any(String)]);
    const manifest = JSON.parse(readFileSync(join(target, "manifest.json"), "utf8")) as { layers: Layer[] };
    expect(manifest.layers).toEqual(layers);
  });

  test.skipIf(podman === null)(
    "podman pulls it, and has the files",
    async () => {
      const { name } = await pushed();
      const { home, env } = engine.sandbox;
      writeFileSync(join(home, "policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
      const run = (...args: string[]) =>
        Bun.spawnSync(
          [
            podman ?? "",
            "--root",
            join(home, "pod"),
            "--runroot",
            join(home, "podrun"),
            "--storage-driver",
            "vfs",
            ...args,
          ],
          {
            env: { ...env },
            stderr: "pipe",
          },
        );
      const pulled = run(
        "pull",
        "-q",
        "--tls-verify=false",
        "--signature-policy",
        join(home, "policy.json"),
        name,
      );
      expect([pulled.exitCode, pulled.stderr.toString()]).toEqual([0, expect.any(String)]);
      const id = pulled.stdout.toString().trim();
      const shown = run(
        "unshare",
        "sh",
        "-c",
        `cd $(podman --root ${home}/pod --runroot ${home}/podrun --storage-driver vfs image mount ${id}) && cat a/small a/hard`,
      );
      expect(shown.stdout.toString()).toBe("small\nsmall\n");
      run("unshare", "rm", "-rf", join(home, "pod"), join(home, "podrun"));
    },
    60_000,
  );
});
