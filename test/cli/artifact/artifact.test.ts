/** `proa artifact`: files in the store and in registries, byte for byte, beside images and collected like them. */
import { afterAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeImage, pushImage, registryMissing, tinyLayer, useEngine, useRegistry } from "../../harness";
import { digestOf } from "../../harness/image";
import { strayFiles } from "../image/_spoilt";

describe.skipIf(registryMissing !== null)("artifacts", () => {
  const registry = useRegistry();
  const engine = useEngine();
  afterAll(() => engine.assertNothingLeft());

  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(engine.sandbox.home, name);
    writeFileSync(path, content);
    return path;
  };
  const blobs = () => readdirSync(join(engine.sandbox.dataHome, "proa/images/blobs/sha256"));
  const inspect = async (name: string) => JSON.parse(await engine.ok(["artifact", "inspect", name]));
  const noise = () => crypto.getRandomValues(new Uint8Array(60_000));

  test.each([
    [["add", "x/y:1"], 125, "requires at least 2 arguments"],
    [["add", "x/y:1", "/nosuch"], 125, "add file: /nosuch: no such file or directory"],
    [["add", "x/y:1", "/tmp"], 125, "add file: /tmp: not a file"],
    [["add", "x/Y:1", "/etc/hostname"], 125, "invalid reference"],
    [["add", "--append", "x/y:1", "/etc/hostname"], 125, "x/y:1: artifact does not exist"],
    [["inspect", "nothing"], 1, "nothing: artifact does not exist"],
    [["rm", "nothing"], 125, "nothing: artifact does not exist"],
    [["rm"], 125, "requires at least 1 argument"],
    [["push", "nothing"], 125, "nothing: artifact does not exist"],
    [["extract", "nothing", "/tmp"], 125, "nothing: artifact does not exist"],
  ])("%j fails with %d", async (args, status, words) => {
    const result = await engine.proa(["artifact", ...args]);
    expect(result.stderr).toContain(words);
    expect(result.stdout).toBe("");
    expect(result.exitCode).toBe(status);
  });

  test("add tells types by content, inspect shows the manifest, ls the size", async () => {
    const one = file("notes.txt", "some words\n");
    const two = file("data.bin", new Uint8Array([0, 1, 2, 3]));
    const printed = await engine.ok([
      "artifact",
      "add",
      "--annotation",
      "who=me",
      "--type",
      "application/vnd.example",
      "quay.io/team/both:1",
      one,
      two,
    ]);
    expect(printed).toMatch(/^[0-9a-f]{64}$/);
    const shown = await inspect("quay.io/team/both:1");
    expect(shown).toMatchObject({ Name: "quay.io/team/both:1", Digest: `sha256:${printed}` });
    expect(shown.Manifest).toMatchObject({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      artifactType: "application/vnd.example",
      config: { mediaType: "application/vnd.oci.empty.v1+json", size: 2, data: "e30=" },
      layers: [
        {
          mediaType: "text/plain; charset=utf-8",
          digest: digestOf("some words\n"),
          size: 11,
          annotations: { who: "me", "org.opencontainers.image.title": "notes.txt" },
        },
        { mediaType: "application/octet-stream", size: 4 },
      ],
    });
    const list = await engine.ok([
      "artifact",
      "ls",
      "--format",
      "{{.Repository}} {{.Tag}} {{.Digest}} {{.Size}}",
    ]);
    expect(list).toBe(`quay.io/team/both 1 ${printed.slice(0, 12)} 15B`);
    expect(await engine.ok(["artifact", "ls"])).toMatch(/^REPOSITORY +TAG +DIGEST +CREATED +SIZE\n/);
    expect(await engine.ok(["images", "-q"])).toBe(""); // it is none
    expect((await engine.proa(["artifact", "add", "quay.io/team/both:1", one])).stderr).toContain(
      "artifact already exists",
    );
  });

  test("--append adds a file and refuses a second one of the same name; --replace begins anew", async () => {
    const three = file("three.json", "[]");
    await engine.ok(["artifact", "add", "--append", "quay.io/team/both:1", three]);
    const titles = async () =>
      (await inspect("quay.io/team/both:1")).Manifest.layers.map(
        (layer: { annotations: Record<string, string> }) =>
          layer.annotations["org.opencontainers.image.title"],
      );
    expect(await titles()).toEqual(["notes.txt", "data.bin", "three.json"]);
    const again = await engine.proa(["artifact", "add", "--append", "quay.io/team/both:1", three]);
    expect(again.stderr).toContain("file already exists");
    await engine.ok(["artifact", "add", "--replace", "--file-type", "a/b", "quay.io/team/both:1", three]);
    expect(await titles()).toEqual(["three.json"]);
    expect((await inspect("quay.io/team/both:1")).Manifest.layers[0].mediaType).toBe("a/b");
    expect(blobs()).toHaveLength(3); // manifest, config, file: what was replaced is gone
  });

  test("extract: into a directory under the titles, to a file where there is one", async () => {
    const content = noise();
    await engine.ok(["artifact", "add", "quay.io/team/two:1", file("big", content), file("small", "s")]);
    const to = join(engine.sandbox.home, "out");
    mkdirSync(to);
    await engine.ok(["artifact", "extract", "quay.io/team/two:1", to]);
    expect(readdirSync(to).sort()).toEqual(["big", "small"]);
    expect(digestOf(readFileSync(join(to, "big")))).toBe(digestOf(content));
    const several = await engine.proa(["artifact", "extract", "quay.io/team/two:1", join(to, "x")]);
    expect(several.stderr).toContain("consists of several blobs and the target");
    await engine.ok(["artifact", "extract", "--title", "small", "quay.io/team/two:1", join(to, "x")]);
    expect(readFileSync(join(to, "x"), "utf8")).toBe("s");
    const digest = digestOf("s").slice(7, 20);
    await engine.ok(["artifact", "extract", "--digest", digest, "quay.io/team/two:1", join(to, "y")]);
    expect(readFileSync(join(to, "y"), "utf8")).toBe("s");
    const wrong = await engine.proa(["artifact", "extract", "--title", "none", "quay.io/team/two:1", to]);
    expect(wrong.stderr).toContain('no blob with the title "none"');
    expect(wrong.exitCode).toBe(125);
  });

  test("through a registry and back: the same digest, the same bytes", async () => {
    const content = noise();
    const name = `${registry.host}/team/model:v1`;
    const digest = await engine.ok(["artifact", "add", name, file("model", content)]);
    const digestFile = join(engine.sandbox.home, "digest");
    expect(await engine.ok(["artifact", "push", "--digestfile", digestFile, name])).toBe(`sha256:${digest}`);
    expect(readFileSync(digestFile, "utf8")).toBe(`sha256:${digest}`);
    expect(await engine.ok(["artifact", "rm", name])).toBe(digest);
    expect(await engine.ok(["artifact", "pull", name])).toBe(digest);
    await engine.ok(["artifact", "extract", name, join(engine.sandbox.home, "back")]);
    expect(digestOf(readFileSync(join(engine.sandbox.home, "back")))).toBe(digestOf(content));
    expect((await engine.proa(["artifact", "pull", `${registry.host}/team/none:1`])).exitCode).toBe(125);
    const image = await engine.proa(["pull", "-q", name]);
    expect(image.stderr).toContain("not a container image");
  });

  test("on the way they are shown as layers of images are, and -q shows nothing", async () => {
    const name = `${registry.host}/team/shown:v1`;
    const content = noise();
    await engine.ok(["artifact", "add", name, file("shown", content)]);
    const short = digestOf(content).slice(7, 19);
    const shown = async (...words: string[]) => (await engine.proa(["artifact", ...words, name])).stderr;
    expect(await shown("push")).toMatch(new RegExp(`^${short}: Pushed$`, "m"));
    expect(await shown("push")).toMatch(new RegExp(`^${short}: Layer already exists$`, "m"));
    expect(await shown("pull")).toMatch(new RegExp(`^${short}: Already exists$`, "m"));
    await engine.ok(["artifact", "rm", name]);
    const lines = (await shown("pull", "--progress", "json"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: string; status: string; progressDetail: object });
    expect(lines).toContainEqual({
      id: short,
      status: "Downloading",
      progressDetail: { current: content.length, total: content.length },
    });
    expect(lines.filter(({ id }) => id === short).at(-1)?.status).toBe("Pull complete");
    const pty = engine.pty(["artifact", "push", name], { env: { TERM: "xterm" } });
    expect(await pty.exited).toBe(0);
    expect(pty.output).toContain(`${short}: Layer already exists`);
    for (const verb of ["push", "pull"])
      for (const flag of ["-q", "--progress=quiet"]) expect(await shown(verb, flag)).toBe("");
    await engine.ok(["artifact", "rm", name]);
    expect(await shown("pull", "-q")).toBe("");
    const none = await engine.proa(["artifact", "pull", "--progress", "loud", name]);
    expect(none.exitCode).not.toBe(0);
  });

  test.skipIf(Bun.which("skopeo") === null)("skopeo reads it, and what skopeo copies is read", async () => {
    const name = `${registry.host}/team/model`;
    const skopeo = (...args: string[]) => {
      const done = Bun.spawnSync(["skopeo", "--insecure-policy", ...args], { env: engine.sandbox.env });
      expect(done.stderr.toString()).toBe("");
      return done.stdout.toString();
    };
    const raw = skopeo("inspect", "--tls-verify=false", "--raw", `docker://${name}:v1`);
    expect(JSON.parse(raw)).toEqual((await inspect(`${name}:v1`)).Manifest);
    skopeo(
      "copy",
      "-q",
      "--src-tls-verify=false",
      "--dest-tls-verify=false",
      `docker://${name}:v1`,
      `docker://${name}:copied`,
    );
    expect(await engine.ok(["artifact", "pull", `${name}:copied`])).toBe(digestOf(raw).slice(7));
    await engine.ok(["artifact", "rm", `${name}:copied`]);
  });

  test("a hostile title writes nothing outside of the directory", async () => {
    const name = `${registry.host}/team/evil:1`;
    const base = `http://${registry.host}/v2/team/evil`;
    await engine.ok(["artifact", "add", name, file("evil", "x")]);
    await engine.ok(["artifact", "push", name]);
    const { Manifest } = await inspect(name);
    Manifest.layers[0].annotations["org.opencontainers.image.title"] = "../escaped";
    const put = await fetch(`${base}/manifests/2`, {
      method: "PUT",
      headers: { "content-type": Manifest.mediaType },
      body: JSON.stringify(Manifest),
    });
    expect(put.status).toBe(201);
    await engine.ok(["artifact", "pull", `${registry.host}/team/evil:2`]);
    const to = join(engine.sandbox.home, "trap/inner");
    mkdirSync(to, { recursive: true });
    const refused = await engine.proa(["artifact", "extract", `${registry.host}/team/evil:2`, to]);
    expect(refused.stderr).toContain('the title "../escaped" is no name of a file');
    expect(refused.exitCode).toBe(125);
    expect(readdirSync(join(to, ".."))).toEqual(["inner"]);
  });

  test("is signed when it is pushed, and pulled where the policy asks for that signature", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const key = file("key.pem", privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    const pub = file("key.pub", publicKey.export({ type: "spki", format: "pem" }).toString());
    const policy = file(
      "policy.json",
      JSON.stringify({ default: [{ type: "sigstoreSigned", keyPath: pub }] }),
    );
    const name = `${registry.host}/team/signed:1`;
    await engine.ok(["artifact", "add", name, file("s", "signed")]);
    await engine.ok(["artifact", "push", name]);
    const refused = await engine.proa(["artifact", "pull", "--signature-policy", policy, name]);
    expect(refused.stderr).toContain("no signature exists");
    expect(refused.exitCode).toBe(125);
    await engine.ok(["artifact", "push", "--sign-by-sigstore-private-key", key, name]);
    await engine.ok(["artifact", "pull", "--signature-policy", policy, name]);
    await engine.ok(["artifact", "rm", name]);
  });

  test("system check finds a damaged file, and fetches it again", async () => {
    const content = noise();
    const name = `${registry.host}/team/damaged:1`;
    await engine.ok(["artifact", "add", name, file("precious", content)]);
    await engine.ok(["artifact", "push", name]);
    const blob = join(engine.sandbox.dataHome, "proa/images/blobs/sha256", digestOf(content).slice(7));
    writeFileSync(
      blob,
      content.map((byte) => byte ^ 1),
    );
    const found = await engine.proa(["system", "check"]);
    expect(found.stdout + found.stderr).toContain(digestOf(content));
    expect(found.exitCode).not.toBe(0);
    await engine.ok(["system", "check", "--repair"]);
    await engine.ok(["artifact", "extract", name, join(engine.sandbox.home, "precious-back")]);
    expect(digestOf(readFileSync(join(engine.sandbox.home, "precious-back")))).toBe(digestOf(content));
    await engine.ok(["artifact", "rm", name]);
  });

  test("an image may have the same blob: each is held by who has it, and prunes leave artifacts alone", async () => {
    const layer = await tinyLayer();
    const reference = await pushImage(`${registry.host}/shared:1`, await makeImage({ layers: [layer] }));
    await engine.ok(["pull", "-q", reference]);
    await engine.ok(["artifact", "add", "quay.io/team/layer:1", file("layer.tgz", layer.bytes)]);
    const size = await engine.ok(["system", "df", "--format", "{{.Type}} {{.Size}}"]);
    await engine.ok(["rmi", reference]);
    await engine.ok(["system", "prune", "-af"]);
    expect(blobs()).toContain(layer.digest.slice(7));
    await engine.ok(["artifact", "extract", "quay.io/team/layer:1", join(engine.sandbox.home, "l")]);
    expect((await engine.proa(["system", "check"])).stdout).toBe("");
    expect(size).toContain("Images");
    expect(await engine.ok(["system", "df", "--format", "{{.Type}} {{.Size}}"])).toContain("Images 0B");
    const index = readFileSync(join(engine.sandbox.dataHome, "proa/images/index.json"), "utf8");
    expect(index).toContain("quay.io/team/layer:1"); // other tools see it in the layout
    const removed = await engine.ok(["artifact", "rm", "--all"]);
    expect(removed.split("\n").length).toBeGreaterThan(3);
    expect(blobs()).toEqual([]);
    expect(strayFiles(engine)).toEqual([]);
    expect(await engine.ok(["artifact", "rm", "--ignore", "gone"])).toBe("");
  });
});
