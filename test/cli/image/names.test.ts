/** `proa tag`, `untag`, `image exists`, `image prune`, `image tree`, `image diff`, and what `rmi` knows beside names. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { makeImage, tinyLayer, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

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
  if ((await engine.ok(["images", "-q"])) !== "") await engine.ok(["rmi", "-af"]);
});

/** An image of its own, of the tiny layer and one more. */
async function pulled(labels: Record<string, string> = {}): Promise<{ name: string; id: string }> {
  const image = await makeImage({
    layers: [await tinyLayer(), { own: `${count}` }],
    config: { Env: ["PATH=/bin"], Labels: labels },
  });
  const name = registry.addImage(`names${count++}`, "v1", image);
  await engine.ok(["pull", "-q", name]);
  return { name, id: image.blobs[0]?.digest ?? "" };
}

const names = async () =>
  (await engine.ok(["images", "--format", "{{.Repository}}:{{.Tag}}"])).split("\n").filter(Boolean).sort();

test("tag gives an image several names, docker.io's without their defaults, and prints nothing", async () => {
  const { name, id } = await pulled();
  expect(await engine.ok(["tag", name, "one", "example.com/two:v2"])).toBe("");
  expect(await engine.ok(["tag", id.slice(7, 19), "three:3"])).toBe("");
  expect(await names()).toEqual([name, "example.com/two:v2", "one:latest", "three:3"].sort());
  for (const each of await names())
    expect(await engine.ok(["image", "inspect", "-f", "{{.Id}}", each])).toBe(id);
  expect(await engine.ok(["run", "--rm", "one", "cat", "/own"])).not.toBe("");
});

test("tag takes a name from the image that had it", async () => {
  const one = await pulled();
  const two = await pulled();
  await engine.ok(["tag", one.name, "moving"]);
  await engine.ok(["tag", two.name, "moving"]);
  expect(await engine.ok(["image", "inspect", "-f", "{{.Id}}", "moving"])).toBe(two.id);
  expect(await engine.ok(["image", "inspect", "-f", "{{.RepoTags}}", one.id])).toBe(`[${one.name}]`);
});

test.each([
  [["tag", "not-there", "x"], "No such image: not-there"],
  [["tag", "IMAGE", "UPPER"], "must be lower case"],
  [["tag", "IMAGE", `x@sha256:${"0".repeat(64)}`], "refusing to create a tag with a digest reference"],
  [["tag", "IMAGE"], "requires at least 2 arguments"],
  [["untag", "not-there"], "No such image: not-there"],
  [["untag", "IMAGE", "other:v1"], "tag not known"],
  [["rmi"], "requires at least 1 argument"],
  [["rmi", "-a", "IMAGE"], "cannot be used together"],
  [["rmi", "--platform", "linux/s390x", "IMAGE"], "not linux/s390x"],
  [["image", "inspect", "--platform", "linux/s390x", "IMAGE"], "not linux/s390x"],
  [["history", "--platform", "linux/s390x", "IMAGE"], "not linux/s390x"],
  [["image", "diff", "--format", "xml", "IMAGE"], "only json is known"],
])("%p is refused: %s", async (argv, why) => {
  const { name } = await pulled();
  const result = await engine.proa(argv.map((word) => word.replace("IMAGE", name)));
  expect(result.stderr).toContain(why);
  expect(result.exitCode).toBeGreaterThan(0);
  expect(await names()).toEqual([name]);
});

test("untag takes the names given, or all, and leaves the image", async () => {
  const { name, id } = await pulled();
  await engine.ok(["tag", name, "one", "two"]);
  expect(await engine.ok(["untag", name, "one"])).toBe("");
  expect(await names()).toEqual([name, "two:latest"].sort());
  await engine.ok(["untag", "two"]);
  expect(await names()).toEqual(["<none>:<none>"]);
  expect(await engine.ok(["run", "--rm", id, "cat", "/own"])).not.toBe("");
  const history = await engine.ok(["images", "--history", "--format", "{{.History}}"]);
  for (const each of [name, "one:latest", "two:latest"]) expect(history).toContain(each);
});

test("exists tells by its status alone", async () => {
  const { name, id } = await pulled();
  for (const text of [name, id, id.slice(7, 19)])
    expect(await engine.proa(["image", "exists", text])).toMatchObject({
      stdout: "",
      stderr: "",
      exitCode: 0,
    });
  for (const text of ["not-there", `${name}x`, "0123456789ab"])
    expect(await engine.proa(["image", "exists", text])).toMatchObject({
      stdout: "",
      stderr: "",
      exitCode: 1,
    });
});

test("rmi --ignore lets missing images pass, but not those in use", async () => {
  const { name } = await pulled();
  expect(await engine.proa(["rmi", "--ignore", "not-there"])).toMatchObject({ stderr: "", exitCode: 0 });
  await engine.ok(["create", "--name", "holds", name, "true"]);
  const refused = await engine.proa(["rmi", "--ignore", name]);
  expect(refused.stderr).toContain("(must force) - container");
  expect(refused.exitCode).toBe(1);
});

test("rmi --all removes all that no container runs on", async () => {
  const kept = await pulled();
  await pulled();
  await engine.ok(["run", "-d", "--name", "runs", kept.name, "sleep", "100"]);
  const result = await engine.proa(["rmi", "--all", "--force"]);
  expect(result.stderr).toContain("(cannot be forced) - image is being used by running container");
  expect(result.exitCode).toBe(1);
  expect(await names()).toEqual([kept.name]);
});

test("prune removes images without a name, --all those without a container, and tells what it has freed", async () => {
  const dangling = await pulled();
  const named = await pulled();
  const used = await pulled();
  await engine.ok(["create", used.name, "true"]);
  await engine.ok(["untag", dangling.name]);
  const first = await engine.ok(["image", "prune", "-f"]);
  expect(first).toStartWith("Deleted Images:\n");
  expect(first).toContain(`deleted: ${dangling.id}\n`);
  expect(first).toMatch(/\n\nTotal reclaimed space: \d/);
  expect(await names()).toEqual([named.name, used.name].sort());
  expect(await engine.ok(["image", "prune", "-f"])).toBe("Total reclaimed space: 0B");
  const all = await engine.ok(["image", "prune", "-af"]);
  expect(all).toContain(`untagged: ${named.name}\n`);
  expect(await names()).toEqual([used.name]);
});

test("prune asks first, in docker's words, and does nothing without a yes", async () => {
  const { name } = await pulled();
  const asked = await engine.proa(["image", "prune", "-a"], { stdin: "n\n" });
  expect(asked.stderr).toContain(
    "WARNING! This will remove all images without at least one container associated to them.",
  );
  expect(asked.stderr).toContain("Are you sure you want to continue? [y/N]");
  expect(asked.exitCode).toBe(1);
  expect(await names()).toEqual([name]);
});

test("prune --filter label, label! and until", async () => {
  const kept = await pulled({ keep: "yes" });
  const gone = await pulled({ keep: "no" });
  await engine.ok(["image", "prune", "-af", "--filter", "until=2000-01-01"]);
  expect(await names()).toEqual([kept.name, gone.name].sort());
  await engine.ok(["image", "prune", "-af", "--filter", "label!=keep=yes"]);
  expect(await names()).toEqual([kept.name]);
  await engine.ok(["image", "prune", "-af", "--filter", "label=keep"]);
  expect(await names()).toEqual([]);
});

test("tree shows the layers, and whose last they are", async () => {
  const { name, id } = await pulled();
  const lines = (await engine.ok(["image", "tree", name])).split("\n");
  expect(lines[0]).toBe(`Image ID: ${id.slice(7, 19)}`);
  expect(lines[1]).toBe(`Tags:     [${name}]`);
  expect(lines[2]).toMatch(/^Size: {5}[\d.]+[kM]?B$/);
  expect(lines[3]).toBe("Image Layers");
  expect(lines[4]).toMatch(/^├── ID: [0-9a-f]{12} Size: +[\d.]+[kM]?B$/);
  expect(lines[5]).toMatch(/^└── ID: [0-9a-f]{12} Size: +[\d.]+[kM]?B Top Layer of: \[/);
  expect(lines[5]).toEndWith(`[${name}]`);
  expect(lines).toHaveLength(6);
});

test("tree --whatrequires shows what builds upon the image", async () => {
  const { name } = await pulled();
  await engine.ok(["run", "--name", "more", name, "sh", "-c", "echo x > /more"]);
  await engine.ok(["commit", "-q", "more", "upon"]);
  expect(await engine.ok(["image", "tree", "--whatrequires", name])).toContain("Top Layer of: [upon:latest]");
});

test("diff shows what the last layer changes", async () => {
  const { name } = await pulled();
  expect((await engine.ok(["image", "diff", name])).split("\n")).toContain("A /own");
  await engine.ok(["run", "--name", "maker", name, "sh", "-c", "rm /own; mkdir /new; echo x > /new/file"]);
  await engine.ok(["commit", "-q", "maker", "made"]);
  expect((await engine.ok(["image", "diff", "made"])).split("\n")).toEqual([
    "A /new",
    "A /new/file",
    "D /own",
  ]);
  expect(JSON.parse(await engine.ok(["image", "diff", "--format", "json", "made"]))).toEqual({
    added: ["/new", "/new/file"],
    deleted: ["/own"],
  });
});
