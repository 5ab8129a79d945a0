/** registries.conf of the user: mirrors, other places, blocked registries, short names. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeImage, pushImage, registryMissing, startRegistry, useTiny } from "../../harness";

const used = useTiny();
const { engine } = used;
const place = (...parts: string[]) => join(engine.sandbox.configHome, "containers", ...parts);

function configure(text: string, dropIn = ""): void {
  rmSync(place(), { recursive: true, force: true });
  mkdirSync(place("registries.conf.d"), { recursive: true });
  writeFileSync(place("registries.conf"), text);
  if (dropIn !== "") writeFileSync(place("registries.conf.d/50-more.conf"), dropIn);
}

const idOf = (name: string) => engine.ok(["image", "inspect", "--format", "{{.Id}}", name]);

describe.skipIf(registryMissing !== null)("registries.conf", () => {
  afterAll(() => engine.assertNothingLeft());
  beforeEach(() => rmSync(place(), { recursive: true, force: true }));

  test("a location takes the prefix's place, the name stays", async () => {
    const { host } = used.registry;
    configure(`[[registry]]\nprefix = "example.test/team"\nlocation = "${host}"\n`);
    expect(await engine.ok(["pull", "-q", "example.test/team/tiny"])).toBe("example.test/team/tiny:latest");
    expect(await idOf("example.test/team/tiny")).toBe(await idOf(used.tiny));
    await engine.ok(["tag", used.tiny, "example.test/team/pushed:v1"]);
    await engine.ok(["push", "-q", "example.test/team/pushed:v1"]);
    const accept = "application/vnd.oci.image.manifest.v1+json";
    const there = await fetch(`http://${host}/v2/pushed/manifests/v1`, {
      method: "HEAD",
      headers: { accept },
    });
    expect(there.status).toBe(200);
    await engine.ok(["rmi", "example.test/team/tiny", "example.test/team/pushed:v1"]);
  });

  test("*.domain is every host below it, and the longest prefix counts", async () => {
    const { host } = used.registry;
    configure(
      `[[registry]]\nprefix = "*.example.test"\nlocation = "${host}"\n` +
        `[[registry]]\nprefix = "b.example.test/no"\nlocation = "x.invalid"\nblocked = true\n`,
    );
    await engine.ok(["pull", "-q", "a.example.test/tiny"]);
    await engine.ok(["rmi", "a.example.test/tiny"]);
    const blocked = await engine.proa(["pull", "-q", "b.example.test/no/tiny"]);
    expect(blocked.stderr).toContain("registries.conf has it blocked");
    expect(blocked.exitCode).toBe(1);
  });

  test("a mirror is asked first; one that is down or has it not is passed over", async () => {
    const { host } = used.registry;
    await using mirror = await startRegistry();
    const image = await makeImage({ layers: [{ from: "mirror" }] });
    await pushImage(`${mirror.host}/m/only:v1`, image);
    configure(
      `[[registry]]\nlocation = "${host}"\n[[registry.mirror]]\nlocation = "127.0.0.1:9"\n` +
        `[[registry.mirror]]\nlocation = "${mirror.host}/m"\n`,
    );
    const result = await engine.proa(["pull", "-q", "--retry=0", `${host}/only:v1`]);
    expect(result.stderr).toContain("mirror 127.0.0.1:9/only: ");
    expect(result).toMatchObject({ stdout: `${host}/only:v1\n`, exitCode: 0 });
    const origin = await engine.proa(["pull", "-q", "--retry=0", used.tiny]);
    expect(origin.exitCode).toBe(0);
    await engine.ok(["rmi", `${host}/only:v1`]);
  });

  test("mirrors for digests alone are not asked for tags", async () => {
    const { host } = used.registry;
    configure(
      `[[registry]]\nlocation = "${host}"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "127.0.0.1:9"\n`,
    );
    expect((await engine.proa(["pull", "-q", used.tiny])).stderr).toBe("");
  });

  test("short names: an alias, and the registries that are searched", async () => {
    const { host } = used.registry;
    configure(
      `unqualified-search-registries = ["127.0.0.1:9", "${host}"]\n`,
      `[aliases]\n"small" = "${host}/tiny"\n`,
    );
    await engine.ok(["rmi", used.tiny]);
    await engine.ok(["pull", "-q", "small"]);
    expect(await idOf(used.tiny)).toStartWith("sha256:");
    expect(await engine.ok(["images", "-q", "small"])).toBe(await engine.ok(["images", "-q", used.tiny]));
    expect(await engine.ok(["images", "-q", "small:latest"])).not.toBe("");
    expect(await engine.ok(["images", "-q", "small:other"])).toBe("");
    expect(await engine.ok(["rmi", "small"])).toContain(`Untagged: ${used.tiny}`);
    expect((await engine.proa(["rmi", "small"])).stderr).toContain("No such image: small");
    await engine.ok(["pull", "-q", "--retry=0", "tiny"]);
    expect(await idOf(used.tiny)).toStartWith("sha256:");
    // It is known now: nobody is asked for it again.
    expect(await engine.ok(["run", "--rm", "--pull=missing", "small", "echo", "ran"])).toBe("ran");
  });

  test.each([
    ["registries = 1", "version 1"],
    ["[[registry]]\ninsecure = true\n", "neither prefix nor location"],
    ['[[registry]]\nlocation = "https://x.test"\n', "is a URL"],
    ['[[registry]]\nlocation = "x.test"\nblocked = "yes"\n', "neither true nor false"],
    ["[[registry\n", "it is not TOML"],
  ])("%j is an error that names the file", async (text, why) => {
    configure(text);
    const result = await engine.proa(["pull", "-q", "x.test/y"]);
    expect(result.stderr).toContain(why);
    expect(result.stderr).toContain("registries.conf");
    expect(result.exitCode).toBe(1);
  });
});
