/** `proa images`: what it lists, in which order, under which filters and formats. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { makeImage, makeLayer, proaPath, useEngine } from "../../harness";
import { blobOf, descriptorOf, type ImageConfig, type TestImage } from "../../harness/image";
import { FakeRegistry } from "../../registry/_fake";

const engine = useEngine();
let registry: FakeRegistry;
const images = new Map<string, { name: string; id: string; digest: string }>();

/** An image created at the given time. */
async function dated(tree: Record<string, string>, created: string, config: ImageConfig): Promise<TestImage> {
  const layer = await makeLayer(tree);
  const image = await makeImage({ layers: [layer], config });
  const document = JSON.parse(Buffer.from(image.blobs[0]?.bytes ?? "").toString());
  const made = blobOf("application/vnd.oci.image.config.v1+json", { ...document, created });
  const top = blobOf("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptorOf(made),
    layers: [descriptorOf(layer)],
  });
  return { ...image, top, blobs: [made, layer] };
}

beforeAll(async () => {
  registry = await FakeRegistry.start();
  const add = async (key: string, repository: string, tag: string, image: TestImage) => {
    const name = registry.addImage(repository, tag, image);
    await engine.ok(["pull", "-q", name]);
    images.set(key, { name, id: image.blobs[0]?.digest ?? "", digest: image.top.digest });
  };
  await add(
    "old",
    "team/old",
    "v1",
    await dated({ a: "old" }, "2020-01-01T00:00:00Z", { Labels: { kind: "db", stage: "prod" } }),
  );
  await add(
    "new",
    "team/new",
    "v2.0",
    await dated({ a: "new" }, "2024-01-01T00:00:00Z", { Labels: { kind: "web" } }),
  );
  await add(
    "mid",
    "other",
    "latest",
    await dated({ a: "mid", b: "x".repeat(2_000_000) }, "2022-01-01T00:00:00Z", {}),
  );
  // a name that moved leaves the old image dangling
  await add("moved-from", "moved", "v1", await dated({ a: "from" }, "2021-01-01T00:00:00Z", {}));
  await add("moved-to", "moved", "v1", await dated({ a: "to" }, "2023-01-01T00:00:00Z", {}));
});
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

const list = async (...args: string[]) =>
  (await engine.ok(["images", "--format", "{{.Repository}}:{{.Tag}}", ...args])).split("\n").filter(Boolean);
const at = (path: string) => `${registry.host}/${path}`;
const of = (key: string) => images.get(key) ?? { name: "", id: "", digest: "" };
const short = (key: string) => of(key).id.slice(7, 19);

test("lists every name, newest image first", async () => {
  expect(await list()).toEqual([
    at("team/new:v2.0"),
    at("moved:v1"),
    at("other:latest"),
    at("moved:<none>"),
    at("team/old:v1"),
  ]);
});

test("prints docker's table", async () => {
  const lines = (await engine.ok(["images", at("team/*")])).split("\n");
  expect(lines[0]).toMatch(/^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE$/);
  expect(lines[1]).toMatch(
    new RegExp(`^${at("team/new")} +v2\\.0 +${short("new")} +\\d+ years ago +[\\d.]+kB$`),
  );
  expect(lines).toHaveLength(3);
});

test("the usual table, which is read apart, has the lines that formats have", async () => {
  const twice = await dated({ a: "bare" }, "2021-06-01T00:00:00Z", { Labels: { is: "bare" } });
  registry.addImage("bare", "v1", twice);
  registry.addImage("bare-too", "v1", twice);
  await engine.ok(["pull", "-q", at(`bare@${twice.top.digest}`)]);
  const format = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
  const same = async (...args: string[]) => {
    const [, ...lines] = (await engine.ok(["images", ...args])).split("\n");
    const rows = (await engine.ok(["images", "--format", format, ...args])).split("\n").filter(Boolean);
    expect(lines.map((line) => line.split(/ {2,}/))).toEqual(rows.map((row) => row.split("\t")));
    return lines;
  };
  expect((await same()).filter((line) => line.includes("<none>"))).toHaveLength(2); // the one that the name has left, too
  await engine.ok(["pull", "-q", at(`bare-too@${twice.top.digest}`)]); // a second repository of one image
  await engine.ok(["tag", of("old").id, "docker.io/library/mine:1"]);
  expect(await same()).toHaveLength(8);
  expect(await same("mine")).toHaveLength(1);
  expect(await same(at("bare*"))).toHaveLength(2);
  await engine.ok(["tag", twice.blobs[0]?.digest ?? "", at("bare:v2")]); // now that repository has a tag of it
  expect((await same("--sort", "repository")).filter((line) => line.includes("bare"))).toHaveLength(2);
  expect(await same("--no-trunc")).toHaveLength(8);
  await engine.ok(["rmi", "-f", "mine:1", twice.blobs[0]?.digest ?? ""]);
});

test("prints titles alone where nothing matches", async () => {
  expect(await engine.ok(["images", "nothing/like/this"])).toMatch(
    /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE$/,
  );
});

test("-q prints each id once, --no-trunc the whole one", async () => {
  await engine.ok([
    "pull",
    "-q",
    registry.addImage(
      "team/old",
      "v1-too",
      await dated({ a: "old" }, "2020-01-01T00:00:00Z", { Labels: { kind: "db", stage: "prod" } }),
    ),
  ]);
  const ids = (await engine.ok(["images", "-q"])).split("\n");
  expect(ids).toHaveLength(5);
  expect(ids.at(-1)).toBe(short("old"));
  expect((await engine.ok(["images", "-q", "--no-trunc"])).split("\n").at(-1)).toBe(of("old").id);
  await engine.ok(["rmi", at("team/old:v1-too")]);
});

test("--digests shows what the registry calls it", async () => {
  const lines = (await engine.ok(["images", "--digests", at("other")])).split("\n");
  expect(lines[0]).toMatch(/^REPOSITORY +TAG +DIGEST +IMAGE ID/);
  expect(lines[1]).toContain(` ${of("mid").digest} `);
});

describe("a name", () => {
  test.each([
    ["team/old", 1],
    ["team/old:v1", 1],
    ["team/old:v2", 0],
    ["team/*", 2],
    ["*", 3],
    ["team/ne?:v*", 1],
    ["other", 1],
  ])("%p matches %d lines", async (pattern, count) => {
    expect(await list(at(pattern))).toHaveLength(count);
  });
});

describe("--filter", () => {
  test.each([
    ["dangling=true", () => [at("moved:<none>")]],
    ["dangling=false", () => [at("team/new:v2.0"), at("moved:v1"), at("other:latest"), at("team/old:v1")]],
    ["label=kind", () => [at("team/new:v2.0"), at("team/old:v1")]],
    ["label=kind=db", () => [at("team/old:v1")]],
    ["label=kind=none", () => []],
    ["reference=*/team/*:v1", () => [at("team/old:v1")]],
  ] as [string, () => string[]][])("%s", async (filter, expected) => {
    expect(await list("--filter", filter)).toEqual(expected());
  });

  test("before and since, by name and by id", async () => {
    expect(await list("-f", `before=${of("mid").name}`)).toEqual([at("moved:<none>"), at("team/old:v1")]);
    expect(await list("-f", `since=${short("mid")}`)).toEqual([at("team/new:v2.0"), at("moved:v1")]);
    expect(await list("-f", `since=${of("mid").id}`, "-f", `before=${of("new").name}`)).toEqual([
      at("moved:v1"),
    ]);
  });

  test("several labels must all match", async () => {
    expect(await list("-f", "label=kind=db", "-f", "label=stage")).toEqual([at("team/old:v1")]);
    expect(await list("-f", "label=kind=web", "-f", "label=stage")).toEqual([]);
  });

  test("several of a key: one must match; of different keys: all", async () => {
    expect(await list("-f", "label=kind=db", "-f", "dangling=false")).toEqual([at("team/old:v1")]);
    expect(await list("-f", "reference=*/other", "-f", "reference=*/team/old")).toEqual([
      at("other:latest"),
      at("team/old:v1"),
    ]);
  });

  test.each(["nothing=1", "label", "dangling=perhaps", "before=not-there", "=", ""])(
    "%p is refused",
    async (filter) => {
      const result = await engine.proa(["images", "--filter", filter]);
      expect(result.stderr).toStartWith("Error: ");
      expect(result.stderr).not.toContain("internal");
      expect(result.stdout).toBe("");
      expect(result.exitCode).toBeGreaterThan(0);
    },
  );
});

describe("--format", () => {
  test("json prints an object a line, with docker's names", async () => {
    const [line = ""] = (await engine.ok(["images", "--format", "json", at("team/new")])).split("\n");
    expect(JSON.parse(line)).toMatchObject({
      Repository: at("team/new"),
      Tag: "v2.0",
      ID: short("new"),
      CreatedAt: expect.any(String),
      CreatedSince: expect.any(String),
      Size: expect.any(String),
      Digest: of("new").digest,
    });
  });

  test("table TEMPLATE aligns under titles", async () => {
    expect(await engine.ok(["images", "--format", "table {{.Tag}}\\t{{.ID}}", at("team/new")])).toBe(
      `TAG       IMAGE ID\nv2.0      ${short("new")}`,
    );
  });

  test("a field that is not there is named, with one that is near", async () => {
    const result = await engine.proa(["images", "--format", "{{.Repo}}", at("team/new")]);
    expect(result.stderr).toContain("Repo");
    expect(result.stderr).toContain("hint: did you mean .Repository?");
    expect(result.exitCode).toBeGreaterThan(0);
  });

  test("a template that cannot be read is a usage error even of an empty list", async () => {
    const result = await engine.proa(["images", "--format", "{{", "nothing"]);
    expect(result.stderr).toStartWith("Error: template parsing error");
    expect(result.exitCode).toBeGreaterThan(0);
  });
});

test("counts the containers of an image", async () => {
  await engine.ok(["create", "--name", "counted", of("mid").name, "true"]);
  expect(await engine.ok(["images", "--format", "{{.Containers}}", of("mid").name])).toBe("1");
  await engine.ok(["rm", "counted"]);
});

test("a closed pipe is a quiet end", async () => {
  const result = Bun.spawnSync(
    [
      "bash",
      "-c",
      `set -o pipefail; "$0" images 2>err | head -n 1 >/dev/null; echo "\${PIPESTATUS[0]}"; cat err`,
      proaPath,
    ],
    {
      env: { ...engine.sandbox.env },
      cwd: engine.sandbox.home,
    },
  );
  expect(result.stdout.toString()).toBe("0\n");
});
