/** `proa push` against the distribution registry: what arrives there is what was here, as skopeo sees it. */
import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  descriptorOf,
  makeImage,
  makeLayer,
  pushImage,
  registryMissing,
  startRegistry,
  tinyLayer,
  useTiny,
} from "../../harness";

const { engine, registry } = useTiny();

const skopeo = Bun.which("skopeo");

type Manifest = {
  mediaType?: string;
  config: { digest: string; mediaType: string };
  layers: { digest: string; mediaType: string; size: number }[];
};

/** The manifest as the registry has it, byte for byte, and what it calls it. */
async function manifestOf(reference: string, host = registry.host) {
  const [, path = "", tag = "latest"] = /^[^/]+\/(.+?)(?::([^/:]+))?$/.exec(reference) ?? [];
  const accept = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
  ].join(", ");
  const response = await fetch(`http://${host}/v2/${path}/manifests/${tag}`, { headers: { accept } });
  const text = await response.text();
  return {
    status: response.status,
    digest: response.headers.get("docker-content-digest"),
    text,
    manifest: (response.ok ? JSON.parse(text) : {}) as Manifest,
  };
}

/** 300 kB that no compressor can shorten. */
const noise = (bytes = 300_000) =>
  Buffer.concat(Array.from({ length: bytes / 60_000 }, () => crypto.getRandomValues(new Uint8Array(60_000))));

let made = 0;

/** An image of two layers that nobody has, pulled from the registry. */
async function pulled(options: { docker?: boolean; compression?: "gzip" | "zstd" | "none" } = {}) {
  const { docker = false, compression = "gzip" } = options;
  const layers = [
    await makeLayer({ large: noise() }, { compression, docker }),
    await makeLayer({ said: `number ${made}` }, { compression, docker }),
  ];
  const image = await makeImage({ layers, docker });
  const name = await pushImage(`${registry.host}/from${made++}:v1`, image);
  await engine.ok(["pull", "-q", name]);
  return { name, image };
}

describe.skipIf(registryMissing !== null)("push", () => {
  afterAll(() => engine.assertNothingLeft());

  test.each([
    ["OCI", false, "gzip"],
    ["OCI", false, "zstd"],
    ["OCI", false, "none"],
    ["Docker", true, "gzip"],
  ] as const)(
    "leaves %s manifests (docker: %p) and %s layers as they are, byte for byte",
    async (_, docker, compression) => {
      const { name, image } = await pulled({ docker, compression });
      const target = `${registry.host}/copy/${docker}${compression}:v2`;
      const result = await engine.proa(["push", name, target]);
      expect(result.stdout).toBe(`v2: digest: ${image.top.digest} size: ${image.top.bytes.length}\n`);
      expect(result.exitCode).toBe(0);
      const there = await manifestOf(target);
      expect(there.digest).toBe(image.top.digest);
      expect(there.text).toBe(Buffer.from(image.top.bytes).toString());
      for (const { digest } of there.manifest.layers) {
        const head = await fetch(`http://${registry.host}/v2/copy/${docker}${compression}/blobs/${digest}`);
        expect(head.status).toBe(200);
        await head.body?.cancel();
      }
    },
  );

  test.skipIf(skopeo === null)("skopeo reads what was pushed, and copies it out", async () => {
    const { name, image } = await pulled();
    const target = `${registry.host}/for-skopeo:latest`;
    await engine.ok(["push", "-q", name, target]);
    const run = (...args: string[]) => {
      const done = Bun.spawnSync([skopeo ?? "", ...args], { stderr: "pipe" });
      expect(done.stderr.toString()).toBe("");
      return done.stdout.toString();
    };
    const digest = run("inspect", "--tls-verify=false", "--format", "{{.Digest}}", `docker://${target}`);
    expect(digest.trim()).toBe(image.top.digest);
    const layout = join(engine.sandbox.home, "skopeo-out");
    run("copy", "-q", "--src-tls-verify=false", `docker://${target}`, `oci:${layout}:x`);
    const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as {
      manifests: { digest: string }[];
    };
    expect(index.manifests[0]?.digest).toBe(image.top.digest);
  });

  test("goes to where the name leads, without a destination, and quietly prints the whole name", async () => {
    const { name } = await pulled();
    const target = `${registry.host}/by/name:here`;
    await engine.ok(["tag", name, target]);
    expect(await engine.proa(["push", "-q", target])).toMatchObject({
      stdout: `${target}\n`,
      stderr: "",
      exitCode: 0,
    });
    expect((await manifestOf(target)).status).toBe(200);
    // The registry's digest is one of the image's names now.
    const digests = await engine.ok(["image", "inspect", "--format", "{{json .RepoDigests}}", target]);
    expect(JSON.parse(digests)).toContain(`${registry.host}/by/name@${(await manifestOf(target)).digest}`);
  });

  test("sends no layer that the registry has, and mounts those of another repository", async () => {
    const { name } = await pulled();
    const target = `${registry.host}/again:latest`;
    const first = await engine.proa(["push", name, target]);
    expect(first.stderr.match(/Mounted from another repository/g)).toHaveLength(2);
    const second = await engine.proa(["push", name, target]);
    expect(second.stderr).toContain(`The push refers to repository [${registry.host}/again]`);
    expect(second.stderr.match(/Layer already exists/g)).toHaveLength(2);
    expect(second.stdout).toBe(first.stdout);
  });

  test("--compression-format makes the layers zstd, the manifest OCI's, and the content the same", async () => {
    const { name, image } = await pulled({ docker: true });
    const target = `${registry.host}/zstd:latest`;
    const digestFile = join(engine.sandbox.home, "digest");
    await engine.ok([
      "push",
      "--compression-format=zstd",
      "--compression-level=9",
      "--digestfile",
      digestFile,
      name,
      target,
    ]);
    const there = await manifestOf(target);
    expect(readFileSync(digestFile, "utf8")).toBe(there.digest ?? "");
    expect(there.manifest.mediaType).toBe("application/vnd.oci.image.manifest.v1+json");
    expect(there.manifest.layers.map(({ mediaType }) => mediaType)).toEqual([
      "application/vnd.oci.image.layer.v1.tar+zstd",
      "application/vnd.oci.image.layer.v1.tar+zstd",
    ]);
    expect(there.manifest.config.digest).toBe(image.blobs[0]?.digest ?? "");
    // The same image, so that its id is the same after a pull.
    const id = await engine.ok(["image", "inspect", "--format", "{{.Id}}", name]);
    await engine.ok(["pull", "-q", target]);
    expect(await engine.ok(["image", "inspect", "--format", "{{.Id}}", target])).toBe(id);
  });

  test("--compression-format leaves layers alone that have it; with --force-compression they are made anew", async () => {
    const { name, image } = await pulled();
    const asIs = `${registry.host}/gz:asis`;
    await engine.ok(["push", "-q", "--compression-format=gzip", name, asIs]);
    expect((await manifestOf(asIs)).digest).toBe(image.top.digest);
    const anew = `${registry.host}/gz:anew`;
    await engine.ok([
      "push",
      "-q",
      "--compression-format=gzip",
      "--compression-level=1",
      "--force-compression",
      name,
      anew,
    ]);
    expect((await manifestOf(anew)).digest).not.toBe(image.top.digest);
  });

  test("what came in a docker archive goes out as gzip, the second time without being compressed or sent", async () => {
    const { name } = await pulled();
    const archive = join(engine.sandbox.home, "loaded.tar");
    await engine.ok(["save", "-o", archive, name]);
    await engine.ok(["rmi", "-f", name]);
    await engine.ok(["load", "-i", archive]);
    const target = `${registry.host}/loaded:v1`;
    const first = await engine.proa(["push", name, target]);
    expect(first.exitCode).toBe(0);
    const there = await manifestOf(target);
    for (const layer of there.manifest.layers) {
      expect(layer.mediaType).toEndWith("gzip");
      const blob = await fetch(`http://${registry.host}/v2/loaded/blobs/${layer.digest}`);
      expect((await blob.bytes()).subarray(0, 2)).toEqual(new Uint8Array([0x1f, 0x8b]));
    }
    const second = await engine.proa(["push", name, target]);
    expect(second.stdout).toBe(first.stdout);
    expect(second.stderr.match(/Layer already exists/g)).toHaveLength(2);
    await engine.ok(["rmi", name]);
    await engine.ok(["pull", "-q", target]);
    expect(await engine.ok(["history", "-q", target])).not.toBe("");
  });

  test("--format changes the manifest's type and nothing else", async () => {
    const { name, image } = await pulled();
    const target = `${registry.host}/types:latest`;
    await engine.ok(["push", "-q", "--format", "v2s2", name, target]);
    const { manifest } = await manifestOf(target);
    expect(manifest.mediaType).toBe("application/vnd.docker.distribution.manifest.v2+json");
    expect(manifest.layers.map(({ digest }) => digest)).toEqual(
      image.blobs.slice(1).map((blob) => descriptorOf(blob).digest),
    );
    expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual([
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ]);
  });

  test("--tls-verify=false takes a registry in the clear too", async () => {
    const { name, image } = await pulled();
    const target = `${registry.host}/clear:v1`;
    await engine.ok(["push", "-q", "--tls-verify=false", name, target]);
    expect((await manifestOf(target)).digest).toBe(image.top.digest);
    const secure = await engine.proa(["push", "-q", "--retry=0", "--tls-verify=true", name, target]);
    expect(secure.stderr).toContain("TLS");
    expect(secure.exitCode).toBe(1);
  });

  test("is told as an event", async () => {
    const { name } = await pulled();
    const target = `${registry.host}/told:v1`;
    await engine.ok(["push", "-q", name, target]);
    const journal = readFileSync(join(engine.sandbox.dataHome, "proa/events.jsonl"), "utf8");
    const last = JSON.parse(journal.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
    expect(last).toMatchObject({
      Type: "image",
      Action: "push",
      Actor: { ID: target, Attributes: { name: target } },
    });
  });

  test("--all-tags pushes every tag of a repository", async () => {
    const { name } = await pulled();
    const repository = `${registry.host}/many`;
    for (const tag of ["a", "b", "c"]) await engine.ok(["tag", name, `${repository}:${tag}`]);
    const out = await engine.ok(["push", "--all-tags", repository]);
    expect(out.split("\n").map((line) => line.split(":")[0])).toEqual(["a", "b", "c"]);
    const list = await fetch(`http://${registry.host}/v2/many/tags/list`);
    expect(((await list.json()) as { tags: string[] }).tags.sort()).toEqual(["a", "b", "c"]);
  });

  test("a large layer goes in a session, and comes back whole", async () => {
    const large = await makeLayer({ large: noise(9_000_000) });
    const name = await pushImage(
      `${registry.host}/large:v1`,
      await makeImage({ layers: [large, await tinyLayer()] }),
    );
    await engine.ok(["pull", "-q", name]);
    await using other = await startRegistry();
    const target = `${other.host}/large:v1`;
    await engine.ok(["push", "-q", name, target]);
    const blob = await fetch(`http://${other.host}/v2/large/blobs/${large.digest}`);
    expect(new Bun.CryptoHasher("sha256").update(await blob.bytes()).digest("hex")).toBe(
      large.digest.slice("sha256:".length),
    );
  });

  test.each([
    [["push", "no-such-image"], /No such image/, 1],
    [["push", "--all-tags", "no-such/repository"], /does not exist locally with the tag/, 1],
    [["push", "--all-tags", "a:tag"], /tag can.*not be used with --all-tags/, 1],
    [["push", "--compression-level=3", "x"], /--compression-level.*needs --compression-format/, 1],
    [["push", "--creds", ":secret", "x"], /--creds/, 125],
  ] as const)("%p fails with its reason", async (args, why, exitCode) => {
    const result = await engine.proa([...args]);
    expect(result.stdout).toBe("");
    expect(result.stderr).toMatch(why);
    expect(result.stderr).not.toContain("secret");
    expect(result.exitCode).toBe(exitCode);
  });

  test("a registry that is not there: a clear error", async () => {
    const { name } = await pulled();
    const result = await engine.proa(["push", "--retry=0", name, "127.0.0.1:9/x:y"]);
    expect(result.stderr).toContain("Error: push image: 127.0.0.1:9/x:y: push blob: ");
    expect(result.stderr).toContain("connection refused");
    expect(result.exitCode).toBe(1);
  });
});
