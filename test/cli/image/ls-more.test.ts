/** `proa images`: podman's filters and options, and the tree; `history` and `inspect` beside what docker has. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { makeImage, tinyLayer, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

afterAll(() => engine.ok(["rm", "user"])); // before that of the engine
const engine = useEngine();
let registry: FakeRegistry;
let base = { name: "", id: "", digest: "" };
let upper = "";

beforeAll(async () => {
  registry = await FakeRegistry.start();
  const image = await makeImage({
    layers: [await tinyLayer(), { own: "x".repeat(50_000) }],
    config: { Env: ["PATH=/bin"], Labels: { kind: "base" }, User: "7" },
  });
  const name = registry.addImage("team/base", "v1", image);
  await engine.ok(["pull", "-q", name]);
  base = { name, id: image.blobs[0]?.digest ?? "", digest: image.top.digest };
  await engine.ok(["run", "-u", "0", "--name", "maker", name, "sh", "-c", "echo more > /more"]);
  await engine.ok(["commit", "-q", "maker", "upper:v2"]);
  await engine.ok(["rm", "maker"]);
  upper = await engine.ok(["image", "inspect", "-f", "{{.Id}}", "upper:v2"]);
  await engine.ok(["create", "--name", "user", "upper:v2", "true"]);
});
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

const ids = async (...args: string[]) =>
  (await engine.ok(["images", "-q", "--no-trunc", ...args])).split("\n").filter(Boolean);

test.each([
  ["containers=true", () => [upper]],
  ["containers=false", () => [base.id]],
  ["containers=external", () => []],
  ["id=IMAGE", () => [base.id]],
  ["digest=DIGEST", () => [base.id]],
  ["label!=kind=base", () => []],
  ["readonly=true", () => []],
  ["readonly=false", () => [upper, base.id]],
  ["intermediate=true", () => []],
  ["after=NAME", () => [upper]],
  ["until=2025-01-01", () => [base.id]],
  ["until=1h", () => [base.id]],
  ["reference=docker.io/library/upper", () => [upper]],
  ["reference=docker.io/library/upp*:v2", () => [upper]],
] as [string, () => string[]][])("--filter %s", async (filter, expected) => {
  const text = filter
    .replace("IMAGE", base.id.slice(7, 20))
    .replace("DIGEST", base.digest)
    .replace("NAME", base.name);
  expect(await ids("--filter", text)).toEqual(expected());
});

test("--filter intermediate finds what has no name and is built upon", async () => {
  await engine.ok(["untag", base.name]);
  expect(await ids("--filter", "intermediate=true")).toEqual([base.id]);
  expect(await ids("--filter", "dangling=true")).toEqual([base.id]);
  await engine.ok(["tag", base.id, base.name]);
});

test("--sort by each key", async () => {
  expect(await ids("--sort", "size")).toEqual([base.id, upper]);
  expect(await ids("--sort", "created")).toEqual([upper, base.id]);
  expect(await ids("--sort", "id")).toEqual([base.id, upper].sort());
  expect(await ids("--sort", "tag")).toEqual([base.id, upper]);
  expect(await ids("--sort", "repository")).toEqual([base.id, upper]);
  expect((await engine.proa(["images", "--sort", "colour"])).exitCode).toBeGreaterThan(0);
});

test("--noheading leaves the titles out, of a template's table, too", async () => {
  expect((await engine.ok(["images", "-n"])).split("\n")).toHaveLength(2);
  expect(await engine.ok(["images", "-n", "--format", "table {{.Tag}}", "upper"])).toBe("v2");
  expect(await engine.ok(["images", "-n", "--format", "{{.Tag}}", "upper"])).toBe("v2");
});

test("podman's names in formats", async () => {
  expect(
    await engine.ok([
      "images",
      "--format",
      "{{.Id}} {{.Names}} {{.Dangling}} {{.ReadOnly}} {{.Os}}",
      "upper",
    ]),
  ).toBe(`${upper.slice(7)} [upper:v2] false false linux`);
  expect(Object.keys(JSON.parse(await engine.ok(["images", "--format", "json", "upper"])))).not.toContain(
    "Id",
  );
});

test("--tree shows each image with its platform", async () => {
  const lines = (await engine.ok(["images", "--tree", "upper"])).split("\n");
  expect(lines[0]).toMatch(/^IMAGE +ID +DISK USAGE +CONTENT SIZE +EXTRA$/);
  expect(lines[1]).toMatch(new RegExp(`^upper:v2 +${upper.slice(7, 19)} +[\\d.]+[kM]B +[\\d.]+[kM]B +U$`));
  expect(lines[2]).toMatch(/^└─ linux\/\S+ +[0-9a-f]{12} /);
  expect(lines).toHaveLength(3);
  expect((await engine.proa(["images", "--tree", "-q"])).stderr).toContain(
    "--tree cannot be used with --quiet",
  );
});

test("history --human=false prints dates and bytes", async () => {
  const numbers = ["history", "--human=false", "--format", "{{.CreatedSince}} {{.Size}}", base.name];
  const rows = await engine.ok(numbers, { env: { TZ: "UTC" } });
  expect(rows.split("\n")[0]).toMatch(/^2024-01-02T03:04:05Z \d{5,}$/);
  const dates = async (TZ: string, ...options: string[]) =>
    (
      await engine.ok(["history", ...options, "--format", "{{.CreatedAt}}", base.name], { env: { TZ } })
    ).split("\n");
  expect((await dates("Asia/Tokyo"))[0]).toBe("2024-01-02T12:04:05+09:00");
  expect((await dates("America/St_Johns", "--human=false"))[0]).toBe("2024-01-01T23:34:05-03:30");
  const table = await engine.ok(["history", "--human=false", base.name]);
  expect(table).toMatch(/^IMAGE +CREATED AT +CREATED BY +SIZE +COMMENT\n/);
  expect(await engine.ok(["history", "--format", "{{.Tags}}", base.name])).toStartWith(`[${base.name}]`);
});

test("inspect has docker's fields and podman's", async () => {
  const [document] = JSON.parse(await engine.ok(["image", "inspect", base.name])) as Record<
    string,
    unknown
  >[];
  expect(document).toMatchObject({
    Id: base.id,
    RepoTags: [base.name],
    Digest: base.digest,
    Descriptor: { digest: base.digest, mediaType: "application/vnd.oci.image.manifest.v1+json" },
    ManifestType: "application/vnd.oci.image.manifest.v1+json",
    Labels: { kind: "base" },
    Annotations: {},
    User: "7",
    NamesHistory: [base.name],
  });
  expect(document?.["History"]).toEqual([
    { created: "2024-01-02T03:04:05Z", created_by: "layer 0" },
    { created: "2024-01-02T03:04:05Z", created_by: "layer 1" },
  ]);
});
