/** `save`: what docker, podman and skopeo read. */
import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  digestOf,
  makeImage,
  missing,
  proaPath,
  pushImage,
  type TestImage,
  tinyLayer,
  useTiny,
} from "../../harness";

const noSkopeo = Bun.which("skopeo") === null;
const noPodman = Bun.which("podman") === null;

describe.skipIf(missing !== null)("save", () => {
  const t = useTiny();
  let image: TestImage;
  let name = "";

  beforeAll(async () => {
    image = await makeImage({
      layers: [await tinyLayer(), { "etc/said": "saved" }],
      config: { Cmd: ["cat", "/etc/said"] },
    });
    name = await pushImage(`${t.registry.host}/saved:v1`, image);
    await t.engine.ok(["pull", "-q", name]);
  });

  /** podman leaves a process behind that keeps its namespace. */
  function endPause(): void {
    const { runtimeDir } = t.engine.sandbox;
    for (const file of readdirSync(runtimeDir, { recursive: true }) as string[]) {
      if (file.endsWith("pause.pid")) process.kill(Number(readFileSync(join(runtimeDir, file), "utf8")));
    }
  }

  const at = (path: string) => join(t.engine.sandbox.home, path);

  function run(...command: string[]): string {
    const result = Bun.spawnSync(command, {
      env: { ...t.engine.sandbox.env },
      cwd: t.engine.sandbox.home,
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.stderr}${result.stdout}`);
    return result.stdout.toString();
  }

  const members = (path: string) => run("tar", "-tf", path).trim().split("\n");
  const content = (path: string, member: string) => run("tar", "-xOf", path, member);
  const hex = (digest: string | undefined) => digest?.replace("sha256:", "") ?? "";

  test("refuses images that are not there before it makes a file", async () => {
    const result = await t.engine.proa(["save", "-o", "none.tar", t.tiny, "nosuch:1"]);
    expect(result.stderr).toContain("nosuch:1");
    expect(result.exitCode).toBe(1);
    expect(readdirSync(t.engine.sandbox.home).filter((file) => file.includes("none.tar"))).toEqual([]);
  });

  test("refuses a terminal, --compress without docker-dir, and a directory on stdout", async () => {
    const pty = t.engine.pty(["save", t.tiny]);
    expect(await pty.exited).toBe(1);
    const compress = await t.engine.proa(["save", "--compress", "-o", "x.tar", t.tiny]);
    expect(compress.stderr).toContain("--compress");
    expect(compress.exitCode).toBe(1);
    expect((await t.engine.proa(["save", "--format", "oci-dir", t.tiny])).exitCode).toBe(1);
  });

  test("a docker-archive has plain layers under their diff ids, the config as it is, and whole names", async () => {
    expect(await t.engine.ok(["save", "-o", "d.tar", name])).toBe("");
    const [manifest] = JSON.parse(content("d.tar", "manifest.json"));
    expect(manifest.RepoTags).toEqual([name]);
    expect(manifest.Config).toBe(`${hex(image.blobs[0]?.digest)}.json`);
    expect(content("d.tar", manifest.Config)).toBe(new TextDecoder().decode(image.blobs[0]?.bytes));
    for (const layer of manifest.Layers) {
      const bytes = Bun.spawnSync(["tar", "-xOf", at("d.tar"), layer]).stdout;
      expect(`${hex(digestOf(bytes))}.tar`).toBe(layer);
    }
    expect(manifest.Layers.length).toBe(2);
    expect(statSync(at("d.tar")).mode & 0o077).toBe(0);
  });

  test("several images share their layers, and what was named by its id has no name", async () => {
    const id = await t.engine.ok(["image", "inspect", "-f", "{{.Id}}", name]);
    await t.engine.ok(["save", "-m", "-o", "m.tar", t.tiny, id]);
    const [one, two] = JSON.parse(content("m.tar", "manifest.json"));
    expect(one.RepoTags).toEqual([t.tiny]);
    expect(two.RepoTags).toBeNull();
    expect(two.Layers[0]).toBe(one.Layers[0]);
    expect(members("m.tar").filter((member) => member === one.Layers[0])).toHaveLength(1);
  });

  test("stdout gets the same bytes as a file", async () => {
    await t.engine.ok(["save", "-o", "f.tar", name]);
    const { bytes, exitCode } = await t.engine.proa(["save", name]);
    expect(exitCode).toBe(0);
    expect(digestOf(bytes.stdout)).toBe(digestOf(readFileSync(at("f.tar"))));
  });

  test("a reader that leaves is a quiet end", async () => {
    const result = Bun.spawnSync(["sh", "-c", `"$0" save ${name} | head -c 10 >/dev/null`, proaPath], {
      env: { ...t.engine.sandbox.env },
      stderr: "pipe",
    });
    expect(result.stderr.toString()).toBe("");
  });

  test("a file that cannot be made says why, and an older file stays until the new one is whole", async () => {
    const result = await t.engine.proa(["save", "-o", "no/such/dir.tar", name]);
    expect(result.stderr).toContain("no such file or directory");
    expect(result.exitCode).toBe(1);
    writeFileSync(at("old.tar"), "old");
    expect((await t.engine.proa(["save", "-o", "old.tar", "nosuch:2"])).exitCode).toBe(1);
    expect(readFileSync(at("old.tar"), "utf8")).toBe("old");
    await t.engine.ok(["save", "-o", "old.tar", name]);
    expect(members("old.tar")).toContain("manifest.json");
  });

  test("a layer that has been damaged in the store is not passed on", async () => {
    const other = await makeImage({ layers: [{ "damaged/me": "x".repeat(5000) }] });
    const damaged = await pushImage(`${t.registry.host}/damaged:v1`, other);
    await t.engine.ok(["pull", "-q", damaged]);
    const digest = other.blobs[1]?.digest ?? "";
    const path = join(t.engine.sandbox.dataHome, "proa/images/blobs", digest.replace(":", "/"));
    const bytes = readFileSync(path);
    bytes[bytes.length - 6] = (bytes[bytes.length - 6] ?? 0) ^ 0xff;
    writeFileSync(path, bytes);
    for (const format of ["docker-archive", "oci-archive"]) {
      const result = await t.engine.proa(["save", "--format", format, "-o", "damaged.tar", damaged]);
      expect(result.stderr).toMatch(/wrong digest|damaged gzip/);
      expect(result.exitCode).toBe(1);
      expect(existsSync(at("damaged.tar"))).toBe(false);
    }
    await t.engine.ok(["rmi", damaged]);
  });

  test("a directory must be empty, and a docker-dir holds one image", async () => {
    mkdirSync(at("full"));
    writeFileSync(at("full/file"), "");
    const full = await t.engine.proa(["save", "--format", "oci-dir", "-o", "full", name]);
    expect(full.stderr).toContain("not empty");
    expect(readdirSync(at("full"))).toEqual(["file"]);
    const two = await t.engine.proa(["save", "--format", "docker-dir", "-o", "two", name, t.tiny]);
    expect(two.exitCode).toBe(1);
    expect(existsSync(at("two"))).toBe(false);
  });

  test("--platform refuses what is for another one", async () => {
    const result = await t.engine.proa(["save", "--platform", "linux/s390x", "-o", "p.tar", name]);
    expect(result.stderr).toContain("linux/s390x");
    expect(result.exitCode).toBe(1);
  });

  test("an oci-archive keeps manifest and layers byte for byte", async () => {
    await t.engine.ok(["save", "--format", "oci-archive", "-o", "o.tar", name]);
    const index = JSON.parse(content("o.tar", "index.json"));
    expect(index.manifests).toHaveLength(1);
    expect(index.manifests[0]).toMatchObject({
      digest: image.top.digest,
      annotations: { "org.opencontainers.image.ref.name": name, "io.containerd.image.name": name },
    });
    for (const { digest } of [...image.blobs, image.top]) {
      const blob = Bun.spawnSync(["tar", "-xOf", at("o.tar"), `blobs/${digest.replace(":", "/")}`]).stdout;
      expect(digestOf(blob)).toBe(digest);
    }
  });

  test.skipIf(noSkopeo)("skopeo reads every format, and finds the image's own layers in it", async () => {
    await t.engine.ok(["save", "-o", "s.tar", name]);
    await t.engine.ok(["save", "--format", "oci-archive", "-o", "so.tar", name]);
    await t.engine.ok(["save", "--format", "oci-dir", "-o", "sod", name]);
    await t.engine.ok(["save", "--format", "docker-dir", "-o", "sdd", name]);
    for (const source of ["docker-archive:s.tar", "oci-archive:so.tar", "oci:sod", "dir:sdd"]) {
      expect(JSON.parse(run("skopeo", "inspect", "--config", source)).config.Cmd).toEqual([
        "cat",
        "/etc/said",
      ]);
      run("skopeo", "copy", "-q", source, `dir:copied-${source.length}`); // reads and verifies every byte
    }
    const layers = JSON.parse(run("skopeo", "inspect", "dir:sdd")).Layers;
    expect(layers).toEqual(image.blobs.slice(1).map(({ digest }) => digest));
  });

  test.skipIf(noSkopeo)("--compress packs the plain layers of a docker-dir", async () => {
    const plain = await makeImage({ layers: [{ file: "plain ".repeat(1000) }], compression: "none" });
    const reference = await pushImage(`${t.registry.host}/plain:v1`, plain);
    await t.engine.ok(["pull", "-q", reference]);
    await t.engine.ok(["save", "--format", "docker-dir", "--compress", "-o", "cd", reference]);
    const manifest = JSON.parse(readFileSync(at("cd/manifest.json"), "utf8"));
    expect(manifest.layers[0].mediaType).toBe("application/vnd.docker.image.rootfs.diff.tar.gzip");
    expect(Bun.gunzipSync(readFileSync(at(`cd/${hex(manifest.layers[0].digest)}`))).length).toBe(
      plain.blobs[1]?.bytes.length ?? 0,
    );
    run("skopeo", "copy", "-q", "dir:cd", "dir:cd-copied");
  });

  test.skipIf(noPodman)("podman loads it under its name, with the same id", async () => {
    const podman = [
      "podman",
      "--storage-driver",
      "vfs",
      "--root",
      at("podman"),
      "--runroot",
      at("podman-run"),
    ];
    const id = await t.engine.ok(["image", "inspect", "-f", "{{.Id}}", name]);
    for (const format of ["docker-archive", "oci-archive"]) {
      const file = `podman-${format}.tar`;
      await t.engine.ok(["save", "--format", format, "-o", file, name]);
      expect(run(...podman, "load", "-q", "-i", file)).toContain(`Loaded image: ${name}`);
      expect(run(...podman, "image", "inspect", "-f", "{{.Id}}", name).trim()).toBe(hex(id));
    }
    run("podman", "unshare", "rm", "-rf", at("podman"), at("podman-run"));
    endPause();
  });
});
