/** The store is an OCI image layout, and images come from and go to the usual tools. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  makeImage,
  makeIndex,
  pushImage,
  type Registry,
  registryMissing,
  startRegistry,
  tinyLayer,
  useEngine,
  writeLayout,
} from "../../harness";
import { descriptorOf, type TestImage } from "../../harness/image";

const missing = registryMissing ?? (Bun.which("skopeo") === null ? "skopeo is not installed" : null);

describe.skipIf(missing !== null)("with skopeo, umoci and a real registry", () => {
  const engine = useEngine();
  let registry: Registry;
  let image: TestImage;

  beforeAll(async () => {
    registry = await startRegistry();
    image = await makeImage({
      layers: [await tinyLayer(), { "etc/": "", "etc/said": "interop", "etc/.wh.group": "" }],
      config: { Cmd: ["cat", "/etc/said"], Env: ["PATH=/bin"], Labels: { "org.example.key": "value" } },
    });
  });
  afterAll(async () => {
    await engine.assertNothingLeft();
    await registry?.stop();
  });

  const layout = () => join(engine.sandbox.dataHome, "proa/images");

  function run(program: string, ...args: string[]): string {
    const result = Bun.spawnSync([program, ...args], {
      env: { ...engine.sandbox.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (result.exitCode !== 0)
      throw new Error(`${program} ${args.join(" ")}: ${result.stderr}${result.stdout}`);
    return result.stdout.toString();
  }

  async function pull(name: string): Promise<string> {
    await engine.ok(["pull", "-q", name]);
    return name;
  }

  test("skopeo inspects what was pulled, by the name in full", async () => {
    const name = await pull(await pushImage(`${registry.host}/interop:v1`, image));
    const seen = JSON.parse(run("skopeo", "inspect", `oci:${layout()}:${name}`));
    expect(seen.Digest).toBe(image.top.digest);
    expect(seen.Labels).toEqual({ "org.example.key": "value" });
    expect(seen.Layers).toEqual(image.blobs.slice(1).map(({ digest }) => digest));
  });

  test("skopeo copies it out, byte for byte", async () => {
    const name = await pull(await pushImage(`${registry.host}/interop:v1`, image));
    const out = join(engine.sandbox.home, "out");
    run("skopeo", "copy", "-q", "--preserve-digests", `oci:${layout()}:${name}`, `oci:${out}:copied`);
    const index = JSON.parse(readFileSync(join(out, "index.json"), "utf8"));
    expect(index.manifests[0]).toMatchObject({ digest: image.top.digest, size: image.top.bytes.length });
    for (const blob of [...image.blobs, image.top]) {
      expect(
        Buffer.compare(
          readFileSync(join(out, "blobs", blob.digest.replace(":", "/"))),
          Buffer.from(blob.bytes),
        ),
      ).toBe(0);
    }
  });

  test.skipIf(Bun.which("umoci") === null)("umoci lists and unpacks it", async () => {
    const name = await pull(await pushImage(`${registry.host}/interop:v1`, image));
    expect(run("umoci", "ls", "--layout", layout()).split("\n")).toContain(name);
    const stat = JSON.parse(run("umoci", "stat", "--json", "--image", `${layout()}:${name}`));
    expect(stat.history.map(({ layer }: { layer: { digest: string } }) => layer.digest)).toEqual(
      image.blobs.slice(1).map(({ digest }) => digest),
    );
    const bundle = join(engine.sandbox.home, "bundle");
    run("umoci", "unpack", "--rootless", "--image", `${layout()}:${name}`, bundle);
    expect(readFileSync(join(bundle, "rootfs/etc/said"), "utf8")).toBe("interop");
    expect(readdirSync(join(bundle, "rootfs/etc")).sort()).toEqual(["passwd", "said"]);
  });

  test("the layout has its marker, and index.json names every tag, and no more after rmi", async () => {
    const one = await pull(await pushImage(`${registry.host}/interop:v1`, image));
    const two = await pull(await pushImage(`${registry.host}/interop:v2`, image));
    expect(JSON.parse(readFileSync(join(layout(), "oci-layout"), "utf8"))).toEqual({
      imageLayoutVersion: "1.0.0",
    });
    const names = () =>
      JSON.parse(readFileSync(join(layout(), "index.json"), "utf8")).manifests.map(
        (each: { annotations?: Record<string, string> }) =>
          each.annotations?.["org.opencontainers.image.ref.name"],
      );
    expect(names()).toEqual(expect.arrayContaining([one, two]));
    await engine.ok(["rmi", two]);
    expect(names()).toEqual([one]);
    await engine.ok(["rmi", one]);
    expect(names()).toEqual([]);
    expect(readdirSync(join(layout(), "blobs/sha256"))).toEqual([]);
  });

  test.each([
    ["Docker's v2 schema 2", ["--format", "v2s2"]],
    ["zstd layers", ["--dest-compress-format", "zstd"]],
  ] as const)("what skopeo pushes in %s runs", async (kind, options) => {
    const source = join(engine.sandbox.home, `source-${kind.length}`);
    writeLayout(source, { one: image });
    const name = `${registry.host}/skopeo-${kind.length}:v1`;
    run(
      "skopeo",
      "copy",
      "-q",
      ...options,
      "--dest-tls-verify=false",
      `oci:${source}:one`,
      `docker://${name}`,
    );
    await pull(name);
    expect(await engine.ok(["run", "--rm", name])).toBe("interop");
    expect((await engine.proa(["run", "--rm", name, "cat", "/etc/group"])).stderr).toContain("No such file");
  });

  test("what a registry serves of an index with attestations runs, and inspect tells the index's digest", async () => {
    const attestation = await makeImage({
      layers: [{ in_toto: "{}" }],
      platform: { os: "unknown", architecture: "unknown" },
    });
    const index = makeIndex([attestation, image]);
    const name = await pull(await pushImage(`${registry.host}/attested:v1`, index));
    expect(await engine.ok(["run", "--rm", name])).toBe("interop");
    expect(await engine.ok(["image", "inspect", "-f", "{{index .RepoDigests 0}}", name])).toBe(
      `${registry.host}/attested@${index.top.digest}`,
    );
    expect(descriptorOf(index.top).mediaType).toContain("index");
  });

  test("a blob that is served with a name for another architecture's variant is still the host's", async () => {
    const name = await pull(
      await pushImage(
        `${registry.host}/variant:v1`,
        makeIndex([
          { ...image, platform: { ...image.platform, variant: process.arch === "x64" ? "v1" : "v8" } },
        ]),
      ),
    );
    expect(await engine.ok(["run", "--rm", name])).toBe("interop");
  });
});
