/** `load`: archives of docker, podman and skopeo, and archives that are none. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  digestOf,
  makeImage,
  makeIndex,
  makeLayer,
  type TestImage,
  type Tree,
  tarOf,
  tinyLayer,
  tinyMissing,
  useEngine,
  waitUntil,
  writeLayout,
} from "../../harness";

const noSkopeo = Bun.which("skopeo") === null;
const noPodman = Bun.which("podman") === null;

describe.skipIf(tinyMissing !== null)("load", () => {
  const engine = useEngine();
  let image: TestImage;
  let tree: Tree;
  let config = "";
  let layers: string[] = [];

  beforeAll(async () => {
    const parts = [await tinyLayer(), await makeLayer({ "etc/said": "loaded" })];
    image = await makeImage({ layers: parts, config: { Cmd: ["cat", "/etc/said"] } });
    const [configBlob, ...layerBlobs] = image.blobs;
    config = `${configBlob?.digest.slice(7)}.json`;
    layers = layerBlobs.map((_, at) => `${parts[at]?.diffId.slice(7)}.tar`);
    tree = { [config]: configBlob?.bytes ?? "" };
    layerBlobs.forEach((blob, at) => {
      tree[layers[at] ?? ""] = Bun.gunzipSync(Buffer.from(blob.bytes));
    });
  });
  beforeEach(async () => {
    const ids = await engine.ok(["images", "-q"]);
    if (ids !== "") await engine.ok(["rmi", "-f", ...new Set(ids.split("\n"))]);
  });
  afterAll(() => engine.assertNothingLeft());

  /** podman leaves a process behind that keeps its namespace. */
  function endPause(): void {
    const { runtimeDir } = engine.sandbox;
    for (const file of readdirSync(runtimeDir, { recursive: true }) as string[]) {
      if (file.endsWith("pause.pid")) process.kill(Number(readFileSync(join(runtimeDir, file), "utf8")));
    }
  }

  const at = (path: string) => join(engine.sandbox.home, path);
  const manifestOf = (tags: string[] | null) =>
    JSON.stringify([{ Config: config, RepoTags: tags, Layers: layers }]);
  const archive = async (changes: Tree = {}, tags: string[] | null = ["loaded:v1"]) =>
    tarOf({ ...tree, "manifest.json": manifestOf(tags), ...changes });

  function run(...command: string[]): string {
    const result = Bun.spawnSync(command, {
      env: { ...engine.sandbox.env },
      cwd: engine.sandbox.home,
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.stderr}${result.stdout}`);
    return result.stdout.toString();
  }

  async function expectLoaded(name = "loaded:v1"): Promise<void> {
    expect(await engine.ok(["run", "--rm", "--network", "none", name])).toBe("loaded");
  }

  /** No image, no blob, no layer, nothing half done. */
  async function expectNothing(): Promise<void> {
    expect(await engine.ok(["images", "-q"])).toBe("");
    const images = join(engine.sandbox.dataHome, "proa/images");
    expect(readdirSync(join(images, "blobs/sha256"))).toEqual([]);
    expect(readdirSync(join(images, "ingest"))).toEqual([]);
    const kinds = join(engine.sandbox.dataHome, "proa/layers");
    for (const kind of readdirSync(kinds)) expect(readdirSync(join(kinds, kind))).toEqual([]);
  }

  test("docker's archive from a file and from stdin, its name told in full", async () => {
    writeFileSync(at("d.tar"), await archive());
    expect(await engine.ok(["load", "-q", "-i", "d.tar"])).toBe("Loaded image: docker.io/library/loaded:v1");
    await expectLoaded();
    expect(await engine.ok(["image", "inspect", "-f", "{{.Id}}", "loaded:v1"])).toBe(
      image.blobs[0]?.digest ?? "",
    );
    await engine.ok(["rmi", "loaded:v1"]);
    expect(await engine.ok(["load"], { stdin: await archive() })).toContain("loaded:v1");
    await expectLoaded();
  });

  test("without a name it is told by its id", async () => {
    expect(await engine.ok(["load", "-q"], { stdin: await archive({}, null) })).toBe(
      `Loaded image: ${image.blobs[0]?.digest}`,
    );
  });

  test("-q says nothing of its progress, and without it stderr does", async () => {
    const bytes = await archive();
    expect((await engine.proa(["load", "-q"], { stdin: bytes })).stderr).toBe("");
    await engine.ok(["rmi", "loaded:v1"]);
    expect((await engine.proa(["load"], { stdin: bytes })).stderr).toMatch(
      /: Loading layer\n[\s\S]*: Loaded\n/,
    );
  });

  test.each([
    ["gzip", (bytes: Uint8Array) => Bun.gzipSync(Buffer.from(bytes))],
    ["zstd", (bytes: Uint8Array) => Bun.zstdCompressSync(Buffer.from(bytes))],
    ["xz", (bytes: Uint8Array) => Bun.spawnSync(["xz", "-0c"], { stdin: Buffer.from(bytes) }).stdout],
    ["bzip2", (bytes: Uint8Array) => Bun.spawnSync(["bzip2", "-1c"], { stdin: Buffer.from(bytes) }).stdout],
  ] as const)("packed with %s, from a file and from stdin; cut short it is refused", async (kind, pack) => {
    if (Bun.which(kind === "zstd" || kind === "gzip" ? "true" : kind) === null) return;
    const packed = pack(await archive());
    writeFileSync(at(`d.tar.${kind}`), packed);
    await engine.ok(["load", "-q", "-i", `d.tar.${kind}`]);
    await expectLoaded();
    await engine.ok(["rmi", "loaded:v1"]);
    const cut = await engine.proa(["load"], { stdin: packed.subarray(0, packed.length >> 1) });
    expect(cut.stderr).toMatch(/damaged|truncated/);
    expect(cut.exitCode).toBe(1);
    await expectNothing();
    await engine.ok(["load", "-q"], { stdin: packed });
    await expectLoaded();
  });

  test("layers may be compressed, named in any way, and be links as docker once wrote them", async () => {
    const gzipped = Buffer.from(image.blobs[2]?.bytes ?? "");
    const bytes = await tarOf({
      [`./${config}`]: image.blobs[0]?.bytes ?? "",
      "one/": "",
      "one/layer.tar": { type: "symlink", target: `../${layers[0]}` },
      [layers[0] ?? ""]: tree[layers[0] ?? ""] ?? "",
      "two.tgz": gzipped,
      "manifest.json": JSON.stringify([
        { Config: config, RepoTags: ["loaded:v1"], Layers: ["one/layer.tar", "two.tgz"] },
      ]),
    });
    await engine.ok(["load", "-q"], { stdin: bytes });
    await expectLoaded();
    expect(readdirSync(join(engine.sandbox.dataHome, "proa/images/blobs/sha256"))).toContain(
      digestOf(gzipped).slice(7),
    );
  });

  test("an OCI layout: as archive and directory, by its names, for this platform of an index", async () => {
    const foreign = await makeImage({
      layers: [{ a: "b" }],
      platform: { os: "linux", architecture: "mips64le" },
    });
    writeLayout(at("layout"), { "localhost/one:v1": image, two: makeIndex([foreign, image]) });
    run("tar", "-C", "layout", "-cf", "layout.tar", ".");
    expect(await engine.ok(["load", "-q", "-i", "layout.tar"])).toBe(
      "Loaded image: localhost/one:v1\nLoaded image: localhost/two:latest",
    );
    await expectLoaded("localhost/two");
    await engine.ok(["rmi", "-f", "localhost/one:v1", "localhost/two"]);
    await engine.ok(["load", "-q", "-i", "layout"]);
    await expectLoaded("localhost/one:v1");
    const none = await engine.proa(["load", "-i", "layout", "--platform", "linux/s390x"]);
    expect(none.stderr).toContain("linux/s390x");
    expect(none.exitCode).toBe(1);
  });

  test("what proa saves it loads, in every format", async () => {
    await engine.ok(["load", "-q"], { stdin: await archive() });
    for (const format of ["docker-archive", "oci-archive", "oci-dir", "docker-dir"]) {
      await engine.ok(["save", "--format", format, "-o", `own-${format}`, "loaded:v1"]);
    }
    for (const format of ["docker-archive", "oci-archive", "oci-dir", "docker-dir"]) {
      await engine.ok(["rmi", "-af"]);
      const said = await engine.ok(["load", "-q", "-i", `own-${format}`]);
      const id = image.blobs[0]?.digest ?? "";
      expect(said).toBe(`Loaded image: ${format === "docker-dir" ? id : "docker.io/library/loaded:v1"}`);
      await expectLoaded(id);
    }
  });

  test.skipIf(noSkopeo)("what skopeo writes", async () => {
    writeLayout(at("sk"), { v1: image });
    run("skopeo", "copy", "-q", "oci:sk:v1", "docker-archive:sk.tar:example.org/sk/one:v1");
    run("skopeo", "copy", "-q", "oci:sk:v1", "oci-archive:sko.tar:example.org/sk/two:v1");
    run("skopeo", "copy", "-q", "oci:sk:v1", "dir:skd");
    expect(await engine.ok(["load", "-q", "-i", "sk.tar"])).toBe("Loaded image: example.org/sk/one:v1");
    expect(await engine.ok(["load", "-q", "-i", "sko.tar"])).toBe("Loaded image: example.org/sk/two:v1");
    await engine.ok(["load", "-q", "-i", "skd"]);
    await expectLoaded("example.org/sk/one:v1");
    await expectLoaded("example.org/sk/two:v1");
  });

  test.skipIf(noPodman)("what podman saves, several images in one archive", async () => {
    const podman = [
      "podman",
      "--storage-driver",
      "vfs",
      "--root",
      at("podman"),
      "--runroot",
      at("podman-run"),
    ];
    writeFileSync(at("p.tar"), await archive({}, ["example.org/p/one:v1", "example.org/p/two:v2"]));
    run(...podman, "load", "-q", "-i", "p.tar");
    run(...podman, "save", "-q", "-m", "-o", "pm.tar", "example.org/p/one:v1", "example.org/p/two:v2");
    run(...podman, "save", "-q", "--format", "oci-archive", "-o", "po.tar", "example.org/p/one:v1");
    expect(await engine.ok(["load", "-q", "-i", "pm.tar"])).toContain("Loaded image: example.org/p/two:v2");
    await expectLoaded("example.org/p/one:v1");
    await engine.ok(["rmi", "-af"]);
    expect(await engine.ok(["load", "-q", "-i", "po.tar"])).toBe("Loaded image: example.org/p/one:v1");
    await expectLoaded("example.org/p/one:v1");
    run("podman", "unshare", "rm", "-rf", at("podman"), at("podman-run"));
    endPause();
  });

  const notAnArchive: [string, string, () => Promise<Uint8Array>][] = [
    ["nothing", "not a tar archive", async () => new Uint8Array(0)],
    ["text", "not a tar archive", async () => Buffer.from("hello\n".repeat(500))],
    ["an archive of other files", "manifest.json", async () => tarOf({ "etc/passwd": "root" })],
    ["a manifest.json that is no JSON", "not JSON", () => archive({ "manifest.json": "{" })],
    ["no image in it", "no image", () => archive({ "manifest.json": "[]" })],
    ["a huge manifest.json", "the limit is", () => archive({ "manifest.json": `[${" ".repeat(17 << 20)}]` })],
    [
      "a config that is missing",
      "missing",
      () => archive({ "manifest.json": manifestOf([]).replace(config, "x") }),
    ],
    ["a config of the same name that is none", "not JSON", () => archive({ [config]: "{" })],
    [
      "a layer that is missing",
      "missing",
      async () => {
        const { [layers[1] ?? ""]: _gone, ...rest } = tree;
        return tarOf({ ...rest, "manifest.json": manifestOf(["loaded:v1"]) });
      },
    ],
    [
      "another layer",
      "wrong digest",
      async () => archive({ [layers[1] ?? ""]: await tarOf({ "etc/said": "other" }) }),
    ],
    [
      "a layer too few",
      "2 diff ids",
      () =>
        archive({ "manifest.json": JSON.stringify([{ Config: config, RepoTags: [], Layers: [layers[0]] }]) }),
    ],
    ["a name that leads out", "leads out", () => archive({ "../../evil": "x" })],
    [
      "a layer that is a link to a file of the host",
      "missing",
      () => archive({ [layers[1] ?? ""]: { type: "symlink", target: "/etc/passwd" } }),
    ],
    [
      "a layer that is a link in a circle",
      "missing",
      () => archive({ [layers[1] ?? ""]: { type: "symlink", target: layers[1] ?? "" } }),
    ],
    [
      "a config outside of the archive",
      "missing",
      () => archive({ "manifest.json": manifestOf(["loaded:v1"]).replace(config, "../../../../etc/passwd") }),
    ],
    ["a name that is none", "invalid reference", () => archive({}, ["UPPER CASE"])],
    [
      "a file twice",
      "twice",
      async () => {
        const one = await tarOf({ "manifest.json": "[]" });
        return Buffer.concat([one.subarray(0, one.length - 1024), await archive()]);
      },
    ],
    ["an end too early", "truncated", async () => (await archive()).subarray(0, 300_000)],
  ];

  test.each(notAnArchive)("%s: refused with the reason, and nothing is left", async (_, reason, make) => {
    const bytes = await make();
    writeFileSync(at("bad.tar"), bytes);
    for (const result of [
      await engine.proa(["load", "-i", "bad.tar"]),
      await engine.proa(["load"], { stdin: bytes }),
    ]) {
      expect(result.stderr).toContain(reason);
      expect(result.stderr).toContain("load image: ");
      expect(result.stdout).toBe("");
      expect(result.exitCode).toBe(1);
    }
    await expectNothing();
    await engine.ok(["load", "-q"], { stdin: await archive() });
    await expectLoaded();
  });

  test("a damaged blob of an OCI layout is refused; a link in the directory that leads out is not followed", async () => {
    writeLayout(at("bad"), { "localhost/bad:v1": image });
    const blob = at(`bad/blobs/${image.blobs[2]?.digest.replace(":", "/")}`);
    const good = readFileSync(blob);
    writeFileSync(blob, Buffer.from(good).fill(0, 20, 30));
    expect((await engine.proa(["load", "-i", "bad"])).stderr).toContain("wrong digest");
    writeFileSync(blob, good.subarray(0, 50));
    expect((await engine.proa(["load", "-i", "bad"])).stderr).toContain("were announced");
    Bun.spawnSync(["rm", blob]);
    expect((await engine.proa(["load", "-i", "bad"])).stderr).toContain("missing");
    writeFileSync(at("outside"), good);
    symlinkSync(at("outside"), blob);
    expect((await engine.proa(["load", "-i", "bad"])).stderr).toContain("missing");
    await expectNothing();
  });

  test("an index in a circle is refused", async () => {
    mkdirSync(at("circle/blobs/sha256"), { recursive: true });
    writeFileSync(at("circle/oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    const type = "application/vnd.oci.image.index.v1+json";
    const inner = JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [] });
    let text = inner;
    for (let depth = 0; depth < 3; depth++) {
      const digest = digestOf(text);
      writeFileSync(at(`circle/blobs/sha256/${digest.slice(7)}`), text);
      const entry = {
        mediaType: type,
        digest,
        size: text.length,
        platform: { os: "linux", architecture: "amd64" },
      };
      text = JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [entry] });
    }
    writeFileSync(at("circle/index.json"), text);
    const result = await engine.proa(["load", "-i", "circle"]);
    expect(result.stderr).toContain("index");
    expect(result.exitCode).toBe(1);
  });

  test("Ctrl-C ends the waiting for stdin, and nothing is left", async () => {
    for (const args of [["load"], ["import", "-"]]) {
      const child = engine.start(args);
      child.stdin.write((await archive()).subarray(0, 10_000));
      await child.stdin.flush();
      await waitUntil(() => /^SigCgt:.*[2367abef]$/m.test(readFileSync(`/proc/${child.pid}/status`, "utf8"))); // it has its handler
      child.kill("SIGINT");
      expect(await child.stderr.text()).toContain("interrupted by SIGINT");
      expect(await child.exited).toBe(130);
    }
    await expectNothing();
  });

  test("a file that is not there, and a terminal", async () => {
    const result = await engine.proa(["load", "-i", "none.tar"]);
    expect(result.stderr).toContain("none.tar: no such file or directory");
    expect(result.exitCode).toBe(1);
    expect(await engine.pty(["load"]).exited).toBe(1);
  });
});
