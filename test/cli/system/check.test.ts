/** `proa system check`: damage done to the store is found, named and repaired; `system prune --blobs` is no damage. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { makeImage, tinyLayer, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";
import { strayFiles } from "../image/_spoilt";

const engine = useEngine();
const registry = await FakeRegistry.start();
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

const built = await makeImage({
  layers: [
    await tinyLayer(),
    {
      said: "well",
      "dir/": "",
      "dir/other": "other",
      ".wh.gone": "",
      "no/entry/of/its/own": "",
      link: { type: "link", target: "said" },
    },
  ],
  config: { Cmd: ["cat", "/said"] },
});
const name = registry.addImage("checked", "v1", built);
const images = () => join(engine.sandbox.dataHome, "proa/images");
const blob = (digest: string) => join(images(), "blobs/sha256", digest.slice(7));
const layerDigest = () => built.blobs[2]?.digest ?? "";
/** The directory of the second layer. */
function layerDirectory(): string {
  const layers = join(engine.sandbox.dataHome, "proa/layers/overlay");
  const found = readdirSync(layers).find((each) => existsSync(join(layers, each, "said")));
  return join(layers, found ?? "none");
}

const check = (...options: string[]) => engine.proa(["system", "check", ...options]);

async function expectDamage(options: string[], ...expected: (string | RegExp)[]): Promise<void> {
  const result = await check(...options);
  for (const each of expected) expect(result.stdout).toMatch(each);
  expect(result.stderr).toMatch(/^Error: check store: \d+ problems?\nhint: .*--repair\n$/);
  expect(result.exitCode).toBe(1);
}

async function expectRepaired(...expected: RegExp[]): Promise<void> {
  const repaired = await check("--repair");
  for (const each of expected) expect(repaired.stdout).toMatch(each);
  expect(repaired.exitCode).toBe(0);
  expect(await check()).toMatchObject({ stdout: "", exitCode: 0 });
  expect(strayFiles(engine)).toEqual([]);
  expect(await engine.ok(["run", "--rm", name])).toBe("well");
}

beforeEach(async () => {
  await engine.ok(["pull", "-q", name]);
});

describe("a store that is whole", () => {
  test("passes, quick and in full", async () => {
    for (const options of [[], ["--quick"], ["--repair"], ["--max", "1h"]]) {
      const result = await check(...options);
      expect(result).toMatchObject({ stdout: "", exitCode: 0 });
      expect(result.stderr).toBe("1 images, 4 blobs, 2 layers checked: all is well\n");
    }
  });

  test("passes while a container runs on it", async () => {
    await engine.ok(["run", "-d", "--name", "runs", name, "sleep", "300"]);
    expect(await check()).toMatchObject({ stdout: "", exitCode: 0 });
    await engine.ok(["rm", "-f", "runs"]);
  });
});

describe("damage is found and repaired:", () => {
  test("a layer's blob is missing", async () => {
    rmSync(blob(layerDigest()));
    await expectDamage(["--quick"], `blob ${layerDigest()} is missing (image ${name})`);
    await expectRepaired(/is missing .*: fetched again\n/);
    expect(existsSync(blob(layerDigest()))).toBe(true);
  });

  test("a byte of a layer's blob is wrong: not for --quick", async () => {
    const bytes = readFileSync(blob(layerDigest()));
    bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 1;
    writeFileSync(blob(layerDigest()), bytes);
    expect((await check("--quick")).exitCode).toBe(0);
    await expectDamage([], `blob ${layerDigest()} has another digest`);
    await expectRepaired(/has another digest .*: fetched again\n/);
  });

  test("a blob was cut to nothing, as after a power cut", async () => {
    truncateSync(blob(layerDigest()), 0);
    await expectDamage(["--quick"], `blob ${layerDigest()} is empty`);
    await expectRepaired(/is empty .*: fetched again\n/);
  });

  test("manifest and config are gone together", async () => {
    rmSync(blob(built.top.digest));
    rmSync(blob(built.blobs[0]?.digest ?? ""));
    await expectDamage(["-q"], built.top.digest, built.blobs[0]?.digest ?? "");
    await expectRepaired(/fetched again\n.*fetched again\n/s);
  });

  test("the directory of a layer is gone", async () => {
    rmSync(layerDirectory(), { recursive: true });
    await expectDamage(["--quick"], /^layer sha256:[0-9a-f]{64} is missing \(image /m);
    await expectRepaired(/layer .* is missing .*: unpacked again\n/);
  });

  test("a file of a layer says something else", async () => {
    writeFileSync(join(layerDirectory(), "said"), "ill");
    expect((await check("--quick")).exitCode).toBe(0);
    await expectDamage([], /^layer sha256:[0-9a-f]{64} is not what its blob unpacks to/m);
    await expectRepaired(/unpacked again\n/);
  });

  test.each([
    ["is gone", () => rmSync(join(layerDirectory(), "dir/other"))],
    ["is new", () => writeFileSync(join(layerDirectory(), "dir/new"), "")],
    ["has other rights", () => chmodSync(join(layerDirectory(), "said"), 0o777)],
  ])("a file of a layer %s", async (_what, spoil) => {
    spoil();
    await expectDamage([], /is not what its blob unpacks to/);
    await expectRepaired(/unpacked again\n/);
  });

  test("layer and blob are gone together", async () => {
    rmSync(layerDirectory(), { recursive: true });
    rmSync(blob(layerDigest()));
    await expectDamage([], /blob .* is missing/, /layer .* is missing/);
    await expectRepaired(/fetched again\n/, /unpacked again\n/);
  });

  test("files belong to nothing", async () => {
    const digest = new Bun.CryptoHasher("sha256").update("stray").digest("hex");
    writeFileSync(join(images(), "blobs/sha256", digest), "stray");
    await expectDamage(["-q"], `blob sha256:${digest} belongs to no image`);
    await expectRepaired(/belongs to no image: removed\n/);
    expect(existsSync(join(images(), "blobs/sha256", digest))).toBe(false);
  });

  test("the files of a container are gone: removed only with --force", async () => {
    await engine.ok(["run", "--name", "lost", name]);
    const id = await engine.ok(["inspect", "-f", "{{.Id}}", "lost"]);
    const aside = join(engine.sandbox.home, id);
    renameSync(join(engine.sandbox.dataHome, "proa/containers", id), aside);
    await expectDamage(["-q"], "container lost: its files are gone");
    const kept = await check("-q", "--repair");
    expect(kept.stdout).toBe("container lost: its files are gone: not repaired: --force removes it\n");
    expect(kept.exitCode).toBe(1);
    const removed = await check("-q", "--repair", "--force");
    expect(removed).toMatchObject({ stdout: "container lost: its files are gone: removed\n", exitCode: 0 });
    expect(await engine.ok(["ps", "-aq"])).toBe("");
    await engine.ok(["unshare", "rm", "-rf", aside]);
  });
});

test("what cannot be fetched again is said, and can be later", async () => {
  rmSync(blob(layerDigest()));
  registry.fault = (request) => (request.path.includes("/blobs/") ? { status: 404 } : undefined);
  const result = await check("--repair");
  registry.fault = () => undefined;
  expect(result.stdout).toMatch(/is missing .*: not repaired: fetch blob: .*404/);
  expect(result.stderr).toMatch(/^Error: check store: 1 problem\n$/);
  expect(result.exitCode).toBe(1);
  await expectRepaired(/fetched again\n/);
});

test("--max ends the check in time and says so; what is no duration is refused", async () => {
  const result = await check("--max", "1ms");
  expect(result.exitCode).toBe(0);
  expect(result.stderr).toContain("not all was checked");
  expect((await check("--max", "soon")).exitCode).toBe(125);
});

describe("system prune --blobs", () => {
  test("drops layers that can be fetched again: no damage, containers run, push and pull still know the image", async () => {
    const text = await engine.ok(["system", "prune", "-f", "--blobs"]);
    expect(text).toContain(`Deleted Blobs:\n`);
    expect(text).toContain(layerDigest());
    expect(existsSync(blob(layerDigest()))).toBe(false);
    expect(existsSync(blob(built.top.digest))).toBe(true);
    expect(await check()).toMatchObject({ stdout: "", exitCode: 0 });
    expect(await engine.ok(["run", "--rm", name])).toBe("well");
    registry.requests.length = 0;
    await engine.ok(["pull", "-q", name]); // it is unpacked: nothing to fetch
    expect(registry.requests.filter(({ path }) => path.includes("/blobs/"))).toEqual([]);
    const again = await engine.ok(["system", "prune", "-f", "--blobs"]);
    expect(again).toBe("Total reclaimed space: 0B");
    await engine.ok(["rmi", name]);
    expect(strayFiles(engine)).toEqual([]);
  });

  test("a dropped blob is fetched when its layer is damaged", async () => {
    await engine.ok(["system", "prune", "-f", "--blobs"]);
    rmSync(layerDirectory(), { recursive: true });
    await expectDamage(["-q"], /layer .* is missing/);
    await expectRepaired(/unpacked again\n/);
    expect(existsSync(blob(layerDigest()))).toBe(true);
  });

  test("what was dropped comes back for an archive and for a commit", async () => {
    await engine.ok(["system", "prune", "-f", "--blobs"]);
    await engine.ok(["save", "-o", join(engine.sandbox.home, "archive.tar"), name]);
    expect(existsSync(blob(layerDigest()))).toBe(true);
    expect(await check()).toMatchObject({ stdout: "", exitCode: 0 });
    await engine.ok(["system", "prune", "-f", "--blobs"]);
    await engine.ok(["run", "--name", "made", name, "sh", "-c", "echo mine >/said"]);
    await engine.ok(["commit", "-q", "made", "localhost/mine"]);
    await engine.ok(["rm", "made"]);
    expect(await engine.ok(["run", "--rm", "localhost/mine", "cat", "/said"])).toBe("mine");
    expect(existsSync(blob(layerDigest()))).toBe(true);
    await engine.ok(["rmi", "localhost/mine"]);
  });

  test("keeps what was made here: nobody has it otherwise", async () => {
    await engine.ok(["run", "--name", "made", name, "sh", "-c", "echo mine >/mine"]);
    await engine.ok(["commit", "-q", "made", "localhost/mine"]);
    await engine.ok(["rm", "made"]);
    const before = readdirSync(join(images(), "blobs/sha256")).length;
    await engine.ok(["system", "prune", "-f", "--blobs"]);
    // its base stays with it
    expect(readdirSync(join(images(), "blobs/sha256"))).toHaveLength(before);
    expect(await check()).toMatchObject({ stdout: "", exitCode: 0 });
    await engine.ok(["rmi", "localhost/mine"]);
  });
});
