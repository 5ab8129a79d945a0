/** `proa manifest`: lists put together of what is here and of what registries have, pushed, and pulled again. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { makeImage, makeIndex, pushImage, tinyLayer, useEngine, useRegistry } from "../../harness";
import { digestOf, type TestImage } from "../../harness/image";

const registry = useRegistry();
const engine = useEngine();

const arms: TestImage[] = [];
let here = "";
let there = "";

const document = async (name: string) =>
  JSON.parse(await engine.ok(["manifest", "inspect", name])) as {
    mediaType: string;
    manifests: { mediaType: string; digest: string; size: number; platform: Record<string, unknown> }[];
    annotations?: Record<string, string>;
  };

beforeAll(async () => {
  const layer = await tinyLayer();
  const host = await makeImage({ layers: [layer, { which: "host" }], config: { Env: ["PATH=/bin"] } });
  const arm = await makeImage({
    layers: [layer, { which: "arm" }],
    platform: { os: "linux", architecture: "arm64", variant: "v8" },
  });
  arms.push(host, arm);
  here = await pushImage(`${registry.host}/lists/host:1`, host);
  there = await pushImage(`${registry.host}/lists/arm:1`, arm);
  await pushImage(`${registry.host}/lists/both:1`, makeIndex([host, arm]));
  await engine.ok(["pull", "-q", here]);
});
afterAll(() => engine.assertNothingLeft());

const name = (text: string) => `${registry.host}/lists/${text}`;

test("create makes an empty list, prints its id, and refuses a name that is taken but for --amend", async () => {
  const id = await engine.ok(["manifest", "create", name("empty:1")]);
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  expect(await document(name("empty:1"))).toEqual({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [],
  } as never);
  const again = await engine.proa(["manifest", "create", name("empty:1")]);
  expect(again.stderr).toContain("that name is already in use");
  expect(again.exitCode).toBe(125);
  expect(await engine.ok(["manifest", "create", "--amend", name("empty:1")])).toBe(id);
  expect(await engine.proa(["manifest", "exists", id.slice(0, 12)])).toMatchObject({ exitCode: 0 });
  expect(await engine.ok(["manifest", "rm", name("empty:1")])).toBe(
    `Untagged: ${name("empty:1")}\nDeleted: sha256:${id}`,
  );
  expect(await engine.proa(["manifest", "exists", name("empty:1")])).toMatchObject({
    stdout: "",
    stderr: "",
    exitCode: 1,
  });
});

test("a list of an image that is here and one that is not is pushed whole, and pulled for its platform", async () => {
  const list = name("app:1");
  await engine.ok(["manifest", "create", list, here]);
  await engine.ok(["manifest", "add", list, `docker://${there}`]);
  expect((await document(list)).manifests).toEqual([
    {
      mediaType: arms[0]?.top.mediaType ?? "",
      digest: arms[0]?.top.digest ?? "",
      size: arms[0]?.top.bytes.length ?? 0,
      platform: arms[0]?.platform as never,
    },
    {
      mediaType: arms[1]?.top.mediaType ?? "",
      digest: arms[1]?.top.digest ?? "",
      size: arms[1]?.top.bytes.length ?? 0,
      platform: { os: "linux", architecture: "arm64", variant: "v8" },
    },
  ]);
  const file = join(engine.sandbox.home, "digest");
  const digest = await engine.ok(["manifest", "push", "--digestfile", file, list]);
  expect(await Bun.file(file).text()).toBe(digest);
  const stored = await fetch(`http://${registry.host}/v2/lists/app/manifests/1`, {
    headers: { accept: "application/vnd.oci.image.index.v1+json" },
  });
  expect(stored.headers.get("docker-content-digest")).toBe(digest);
  expect(digestOf(new Uint8Array(await stored.arrayBuffer()))).toBe(digest);
  await engine.ok(["pull", "-q", list]);
  expect(await engine.ok(["run", "--rm", list, "cat", "/which"])).toBe("host");
  await engine.ok(["pull", "-q", "--platform", "linux/arm64/v8", `${list}@${digest}`]);
  await engine.ok(["manifest", "rm", list]);
  // what is no list here is looked up in the registry
  expect((await document(list)).manifests).toHaveLength(2);
  const verbose = JSON.parse(await engine.ok(["manifest", "inspect", "-v", list])) as {
    Ref: string;
    OCIManifest: { layers: unknown[] };
  }[];
  expect(verbose.map(({ OCIManifest }) => OCIManifest.layers.length)).toEqual([2, 2]);
});

test("a list holds the blobs of an image that is removed, and can be pushed without it", async () => {
  const image = await makeImage({ layers: [{ only: "held" }] });
  const held = await pushImage(`${registry.host}/lists/held:1`, image);
  await engine.ok(["pull", "-q", held]);
  await engine.ok(["manifest", "create", name("holding:1"), held]);
  await engine.ok(["rmi", held]);
  await engine.ok(["system", "prune", "-f"]);
  await engine.ok(["manifest", "push", "--purge", name("holding:1"), name("elsewhere:1")]);
  expect(await engine.proa(["manifest", "exists", name("holding:1")])).toMatchObject({ exitCode: 1 });
  await engine.ok(["pull", "-q", name("elsewhere:1")]);
  await engine.ok(["rmi", name("elsewhere:1")]);
  const blob = join(engine.sandbox.dataHome, "proa/images/blobs/sha256", image.top.digest.slice(7));
  expect(await Bun.file(blob).exists()).toBe(false);
});

test("annotate says what an entry is for, --index what the list is; remove takes an entry out", async () => {
  const list = name("notes:1");
  await engine.ok(["manifest", "create", "--annotation", "by=hand", list]);
  await engine.ok(["manifest", "add", "--arch", "arm", "--variant", "v7", "--annotation", "a=b", list, here]);
  const digest = arms[0]?.top.digest ?? "";
  await engine.ok(["manifest", "annotate", "--os-version", "10", "--os-features", "x,y", list, digest]);
  await engine.ok(["manifest", "annotate", "--annotation", "c=d", list, here]);
  await engine.ok(["manifest", "annotate", "--index", "--annotation", "title=notes", list]);
  const shown = await document(list);
  expect(shown.annotations).toEqual({ by: "hand", title: "notes" });
  expect(shown.manifests).toMatchObject([
    {
      digest,
      annotations: { a: "b", c: "d" },
      platform: {
        os: "linux",
        architecture: "arm",
        variant: "v7",
        "os.version": "10",
        "os.features": ["x", "y"],
      },
    },
  ] as never);
  await engine.ok(["manifest", "remove", list, digest]);
  expect((await document(list)).manifests).toEqual([]);
  const again = await engine.proa(["manifest", "remove", list, digest]);
  expect(again.stderr).toContain(`no entry ${digest}`);
  expect(again.exitCode).toBe(125);
  await engine.ok(["manifest", "rm", list]);
});

test("add takes this host's platform of an index, or all of them", async () => {
  const one = name("one:1");
  await engine.ok(["manifest", "create", one, `docker://${name("both:1")}`]);
  expect((await document(one)).manifests.map(({ digest }) => digest)).toEqual([arms[0]?.top.digest ?? ""]);
  await engine.ok([
    "manifest",
    "add",
    "--arch",
    "arm64",
    "--variant",
    "v8",
    one,
    `docker://${name("both:1")}`,
  ]);
  expect((await document(one)).manifests).toHaveLength(2);
  const all = name("all:1");
  await engine.ok(["manifest", "create", "--all", all, `docker://${name("both:1")}`]);
  expect((await document(all)).manifests).toHaveLength(2);
  await engine.ok(["manifest", "push", "--format", "v2s2", all]);
  await engine.ok(["manifest", "rm", one, all]);
  expect((await document(all)).mediaType).toBe("application/vnd.docker.distribution.manifest.list.v2+json");
});

test.each([
  [["manifest", "inspect", "localhost:1/not/there"], "localhost:1"],
  [["manifest", "add", "not-there", "x"], "No such manifest list: not-there"],
  [["manifest", "push", "not-there"], "No such manifest list: not-there"],
  [["manifest", "rm", "not-there"], "No such manifest list: not-there"],
  [["manifest", "create", "UPPER"], "must be lower case"],
])("%p fails: %s", async (argv, why) => {
  const result = await engine.proa(argv);
  expect(result.stderr).toContain(why);
  expect(result.exitCode).toBeGreaterThan(0);
});

test("rm --ignore of what is not there is no error", async () => {
  expect(await engine.proa(["manifest", "rm", "--ignore", "not-there"])).toMatchObject({ exitCode: 0 });
});
