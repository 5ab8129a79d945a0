/** Options of `proa pull` and `push` that docker and podman users write out of habit. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { makeImage, useEngine } from "../../harness";
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

describe("--arch, --os and --variant", () => {
  test("say together what --platform says, and the rest is the host's", async () => {
    const name = registry.addImage("plain", "v1", await makeImage({ layers: [{ a: "b" }] }));
    const refused = async (...options: string[]) =>
      (await engine.proa(["pull", ...options, name])).stderr
        .split("\n")
        .find((line) => line.startsWith("Error"));
    expect(await refused("--arch", "s390x")).toContain("choose platform: linux/s390x: ");
    expect(await refused("--arch", "arm", "--variant", "v7")).toContain("choose platform: linux/arm/v7: ");
    expect(await refused("--os", "plan9")).toContain("choose platform: plan9/");
    expect(await refused("--arch", "arm64", "--platform", "linux/arm64")).toContain(
      "platform: linux/arm64: ",
    );
    expect(await engine.ok(["pull", "-q", "--os", "linux", name])).toBe(name);
  });
});

describe("--disable-content-trust", () => {
  test("is what happens; that it should not is refused", async () => {
    const name = registry.addImage("trusted", "v1", await makeImage({ layers: [{ a: "b" }] }));
    expect(await engine.ok(["pull", "-q", "--disable-content-trust", name])).toBe(name);
    for (const command of ["pull", "push"]) {
      const { stderr, exitCode } = await engine.proa([command, "--disable-content-trust=false", name]);
      expect(stderr).toContain("proa does not verify signatures of docker's content trust");
      expect(exitCode).toBe(125);
    }
  });
});
