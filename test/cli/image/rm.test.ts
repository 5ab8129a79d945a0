/** `proa rmi`: by name, id and digest; what is in use; what goes with an image and what stays. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { makeImage, type TestImage, tinyLayer, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";
import { strayFiles } from "./_spoilt";

const engine = useEngine();
let registry: FakeRegistry;
let count = 0;

beforeAll(async () => {
  registry = await FakeRegistry.start();
});
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});
afterEach(async () => {
  const containers = await engine.ok(["ps", "-aq"]);
  if (containers !== "") await engine.ok(["rm", "-f", ...containers.split("\n")]);
  const images = await engine.ok(["images", "-q"]);
  if (images !== "") await engine.ok(["rmi", "-f", ...images.split("\n")]);
  expect(strayFiles(engine)).toEqual([]);
  expect(readdirSync(join(engine.sandbox.dataHome, "proa/images/blobs/sha256"))).toEqual([]);
});

type Pulled = { name: string; id: string; digest: string; repository: string; image: TestImage };

async function pulled(...tags: string[]): Promise<Pulled> {
  const image = await makeImage({
    layers: [await tinyLayer(), { own: `${count}` }],
    config: { Env: ["PATH=/bin"] },
  });
  const repository = `rm${count++}`;
  for (const tag of tags.length > 0 ? tags : ["v1"])
    await engine.ok(["pull", "-q", registry.addImage(repository, tag, image)]);
  const full = `${registry.host}/${repository}`;
  return {
    name: `${full}:${tags[0] ?? "v1"}`,
    id: image.blobs[0]?.digest ?? "",
    digest: `${full}@${image.top.digest}`,
    repository: full,
    image,
  };
}

/** Chain ids of the image's layers, highest first, as rmi prints them. */
function chainOf({ image }: Pulled): string[] {
  const config = JSON.parse(Buffer.from(image.blobs[0]?.bytes ?? "").toString()) as {
    rootfs: { diff_ids: string[] };
  };
  const chain: string[] = [];
  for (const diffId of config.rootfs.diff_ids) {
    const below = chain[0];
    chain.unshift(
      below === undefined
        ? diffId
        : `sha256:${new Bun.CryptoHasher("sha256").update(`${below} ${diffId}`).digest("hex")}`,
    );
  }
  return chain;
}

const layersOf = () => readdirSync(join(engine.sandbox.dataHome, "proa/layers/overlay"));

test("by its only name: untags, deletes the image and its layers, and prints docker's lines", async () => {
  const it = await pulled();
  expect(layersOf()).toHaveLength(2);
  const lines = (await engine.ok(["rmi", it.name])).split("\n");
  expect(lines).toEqual([
    `Untagged: ${it.name}`,
    `Untagged: ${it.digest}`,
    `Deleted: ${it.id}`,
    ...chainOf(it).map((id) => `Deleted: ${id}`),
  ]);
  expect(layersOf()).toEqual([]);
});

test("by one of two names: only that name goes", async () => {
  const it = await pulled("v1", "v2");
  expect(await engine.ok(["rmi", it.name])).toBe(`Untagged: ${it.name}`);
  expect(await engine.ok(["images", "--format", "{{.Tag}}"])).toBe("v2");
  expect(await engine.ok(["run", "--rm", `${it.repository}:v2`, "cat", "/own"])).not.toBe("");
});

test.each(["whole id", "id without algorithm", "short id", "digest"] as const)("by %s", async (by) => {
  const it = await pulled();
  const text = {
    "whole id": it.id,
    "id without algorithm": it.id.slice(7),
    "short id": it.id.slice(7, 19),
    digest: it.digest,
  }[by];
  const output = await engine.ok(["rmi", text]);
  expect(output).toContain(`Untagged: ${it.digest}`);
  if (by === "digest") return; // its tag still stands for it
  expect(output).toContain(`Untagged: ${it.name}`);
  expect(output).toContain(`Deleted: ${it.id}`);
});

test("by id takes all names of one repository; of two only with --force", async () => {
  const it = await pulled("v1", "v2");
  const elsewhere = registry.addImage(`${it.repository.split("/")[1]}-too`, "v1", it.image);
  await engine.ok(["pull", "-q", elsewhere]);
  const refused = await engine.proa(["rmi", it.id]);
  expect(refused.stderr).toContain("(must be forced) - image is referenced in multiple repositories");
  expect(refused.stderr).toContain(elsewhere);
  expect(refused.exitCode).toBe(1);
  expect(await engine.ok(["rmi", "--force", it.id])).toContain(`Deleted: ${it.id}`);
  expect(await engine.ok(["images", "-q"])).toBe("");
});

test("keeps the layers that another image has", async () => {
  const one = await pulled();
  const two = await pulled();
  await engine.ok(["rmi", one.name]);
  expect(layersOf()).toHaveLength(2);
  expect(await engine.ok(["run", "--rm", two.name, "cat", "/own"])).not.toBe("");
});

test("removes several, reports those that are not there, and exits with 1", async () => {
  const it = await pulled();
  const result = await engine.proa(["rmi", "not-there", it.name, "deadbeef"]);
  expect(result.stdout).toContain(`Deleted: ${it.id}`);
  expect(result.stderr).toBe(
    "Error: No such image: not-there: image not known\nhint: list them: proa images\nError: No such image: deadbeef: image not known\nhint: list them: proa images\n",
  );
  expect(result.exitCode).toBe(1);
});

test("--force of what is not there is no error", async () => {
  expect(await engine.proa(["rmi", "-f", "not-there"])).toMatchObject({
    stdout: "",
    stderr: "",
    exitCode: 0,
  });
});

describe("an image in use", () => {
  test("by an ended container is refused, names the container, and --force takes the names but not the layers", async () => {
    const it = await pulled();
    await engine.ok(["run", "--name", "user", it.name, "true"]);
    const user = await engine.ok(["ps", "-alq", "--no-trunc"]);
    const refused = await engine.proa(["rmi", it.name]);
    expect(refused.stderr).toBe(
      `Error: conflict: unable to remove repository reference "${it.name}" (must force) - container ${user.slice(0, 12)} is using its referenced image ${it.id.slice(7, 19)}\nhint: remove the container first: proa rm user\n`,
    );
    expect(refused.exitCode).toBe(1);
    expect(await engine.ok(["images", "-q", it.name])).not.toBe("");
    expect(await engine.ok(["rmi", "-f", it.name])).toContain(`Untagged: ${it.name}`);
    expect(await engine.ok(["images", it.name, "-q"])).toBe("");
    await engine.ok(["start", "-a", "user"]); // it still has its layers
    await engine.ok(["rm", "user"]);
    expect(await engine.ok(["rmi", it.id])).toContain(`Deleted: ${it.id}`);
  });

  test("by a running container is refused even with --force", async () => {
    const it = await pulled();
    await engine.ok(["run", "-d", "--name", "runner", it.name, "sleep", "100"]);
    const refused = await engine.proa(["rmi", "-f", it.name]);
    expect(refused.stderr).toMatch(
      /conflict: unable to delete [0-9a-f]{12} \(cannot be forced\) - image is being used by running container [0-9a-f]{12}\n/,
    );
    expect(refused.stderr).toContain("hint: remove the container first: proa rm --force runner");
    expect(refused.exitCode).toBe(1);
    expect(await engine.ok(["exec", "runner", "cat", "/own"])).not.toBe("");
  });

  test("by a container of --rm that has ended is free", async () => {
    const it = await pulled();
    await engine.ok(["run", "--rm", it.name, "true"]);
    expect(await engine.ok(["rmi", it.name])).toContain(`Deleted: ${it.id}`);
  });

  test("by a container whose supervisor was killed is free by force", async () => {
    const it = await pulled();
    const id = await engine.ok(["run", "-d", it.name, "sleep", "100"]);
    const status = await engine.ok(["inspect", "-f", "{{.State.Pid}}", id]);
    const supervisor = Number(/^PPid:\s*(\d+)/m.exec(await Bun.file(`/proc/${status}/status`).text())?.[1]);
    process.kill(supervisor, "SIGKILL");
    while (existsSync(`/proc/${supervisor}`)) await Bun.sleep(5);
    expect(await engine.ok(["rmi", "-f", it.name])).toContain("Untagged");
  });
});

test("several removals at the same time remove each image once", async () => {
  const them = [await pulled(), await pulled(), await pulled()];
  const all = await Promise.all([...them, ...them].map(({ name }) => engine.proa(["rmi", name])));
  expect(all.filter(({ exitCode }) => exitCode === 0)).toHaveLength(3);
  for (const { stderr } of all)
    expect(stderr).toMatch(/^(Error: No such image: \S+: image not known\nhint: .*\n)?$/);
  expect(await engine.ok(["images", "-q"])).toBe("");
});
