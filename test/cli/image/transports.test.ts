/** Images by `transport:…` in pull, push, run and create. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import {
  makeImage,
  missing,
  pushImage,
  type TestImage,
  tinyLayer,
  useTiny,
  writeLayout,
} from "../../harness";

const noSkopeo = Bun.which("skopeo") === null;

describe.skipIf(missing !== null)("transports", () => {
  const t = useTiny();
  let image: TestImage;
  let name = "";
  const at = (path: string) => join(t.engine.sandbox.home, path);

  beforeAll(async () => {
    image = await makeImage({
      layers: [await tinyLayer(), { "etc/said": "carried" }],
      config: { Cmd: ["cat", "/etc/said"] },
    });
    name = await pushImage(`${t.registry.host}/carried:v1`, image);
    await t.engine.ok(["pull", "-q", name]);
    await t.engine.ok(["save", "-o", "one.tar", name]);
    await t.engine.ok(["save", "-o", "two.tar", t.tiny, name]);
    await t.engine.ok(["save", "--format", "oci-archive", "-o", "oci.tar", name]);
    writeLayout(at("layout"), { "example.org/in/layout:v1": image });
    await t.engine.ok(["save", "--format", "docker-dir", "-o", "dir", name]);
  });
  afterAll(() => t.engine.assertNothingLeft());

  const id = () => image.blobs[0]?.digest ?? "";

  test("pull prints the names of what has come, or the id", async () => {
    await t.engine.ok(["rmi", "-f", name]);
    expect(await t.engine.ok(["pull", "-q", "docker-archive:two.tar"])).toBe(`${t.tiny}\n${name}`);
    expect(await t.engine.ok(["pull", "-q", "oci-archive:oci.tar"])).toBe(name);
    expect(await t.engine.ok(["pull", "-q", `oci:${at("layout")}`])).toBe("example.org/in/layout:v1");
    expect(await t.engine.ok(["pull", "-q", `oci:${at("layout")}:example.org/in/layout:v1`])).toBe(
      "example.org/in/layout:v1",
    );
    expect(await t.engine.ok(["pull", "-q", "dir:dir"])).toBe(id());
    expect(await t.engine.ok(["pull", "-q", `docker://${name}`])).toBe(name);
  });

  test("run takes the image from an archive, which need not be in the store", async () => {
    for (const source of [
      "docker-archive:one.tar",
      `docker-archive:two.tar:${name}`,
      "docker-archive:two.tar:@1",
      "oci-archive:oci.tar",
      "oci:layout",
      "dir:dir",
    ]) {
      await t.engine.ok(["rmi", "-f", id()]);
      expect(await t.engine.ok(["run", "--rm", "-q", source])).toBe("carried");
    }
    expect(await t.engine.ok(["run", "--rm", `docker://${name}`])).toBe("carried");
  });

  test("the container knows its image by the name in the archive", async () => {
    await t.engine.ok(["create", "-q", "--name", "made", "docker-archive:one.tar"]);
    expect(await t.engine.ok(["container", "inspect", "-f", "{{.Config.Image}}", "made"])).toBe(name);
    await t.engine.ok(["rm", "made"]);
  });

  test("an archive of several is ambiguous for run, and what is not in it is not found", async () => {
    const several = await t.engine.proa(["run", "--rm", "docker-archive:two.tar"]);
    expect(several.stderr).toContain("there are 2 images in it");
    expect(several.exitCode).toBe(125);
    for (const [reference, reason] of [
      ["nosuch:1", 'no image in it is called "nosuch:1"'],
      ["@7", "none at @7"],
    ]) {
      const result = await t.engine.proa(["run", "--rm", `docker-archive:two.tar:${reference}`]);
      expect(result.stderr).toContain(reason ?? "");
      expect(result.exitCode).toBe(125);
    }
  });

  test.each([
    ["docker-daemon:debian:12", "docker save"],
    ["containers-storage:debian", "podman save"],
    ["sif:x.sif", "not supported"],
    ["oci:", "oci:PATH"],
    ["docker-archive:none.tar", "no such file or directory"],
    ["oci-archive:one.tar", "it is no oci"],
  ])("%s is refused with the reason", async (source, reason) => {
    const pulled = await t.engine.proa(["pull", source]);
    expect(pulled.stderr).toContain(reason);
    expect(pulled.exitCode).toBe(1);
    const run = await t.engine.proa(["run", "--rm", source, "true"]);
    expect(run.stderr).toContain(reason);
    expect(run.exitCode).toBe(125);
  });

  test.skipIf(noSkopeo)("push writes what skopeo reads", async () => {
    await t.engine.ok(["pull", "-q", name]);
    const targets = [
      "docker-archive:p.tar:example.org/p:v1",
      "oci-archive:po.tar:tagged",
      "oci:pl:tagged",
      "dir:pd",
    ];
    for (const target of targets) {
      await t.engine.ok(["push", name, target]);
      const seen = Bun.spawnSync(["skopeo", "inspect", "--config", target], {
        env: { ...t.engine.sandbox.env },
        cwd: t.engine.sandbox.home,
        stdio: ["ignore", "pipe", "pipe"],
      });
      expect(seen.stderr.toString()).toBe("");
      expect(JSON.parse(seen.stdout.toString()).config.Cmd).toEqual(["cat", "/etc/said"]);
    }
    expect(readdirSync(t.engine.sandbox.home).filter((file) => file.endsWith(".tmp"))).toEqual([]);
  });
});
