/** `proa search`: by a registry's own search, by its list of repositories, and its tags. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

const engine = useEngine();
let registry: FakeRegistry;

beforeAll(async () => {
  registry = await FakeRegistry.start();
});
afterAll(() => registry[Symbol.asyncDispose]());
afterEach(() => {
  registry.fault = () => undefined;
  registry.requests.length = 0;
});

const results = [
  {
    name: "team/web",
    description: "A server\nof pages, which has a rather long description",
    star_count: 120,
  },
  { name: "web", description: "short", star_count: 7, is_official: true },
];

const answerSearch = () => {
  registry.fault = ({ path }) =>
    path.startsWith("/v1/search") ? { status: 200, body: JSON.stringify({ results }) } : undefined;
};

const answerCatalog = (names: string[]) => {
  registry.fault = ({ path }) => {
    if (path.startsWith("/v1/")) return { status: 404, body: "{}" };
    if (path.startsWith("/v2/_catalog"))
      return { status: 200, body: JSON.stringify({ repositories: names }) };
    if (path.endsWith("/tags/list"))
      return { status: 200, body: JSON.stringify({ name: "x", tags: ["v2", "v1"] }) };
    return undefined;
  };
};

test("prints what the registry's search finds in docker's table, names as they can be pulled", async () => {
  answerSearch();
  const lines = (await engine.ok(["search", `${registry.host}/web`])).split("\n");
  expect(lines[0]).toMatch(/^NAME +DESCRIPTION +STARS +OFFICIAL$/);
  expect(lines[1]).toMatch(
    new RegExp(`^${registry.host}/team/web +A server of pages, which has a rather long d… +120 *$`),
  );
  expect(lines[2]).toMatch(new RegExp(`^${registry.host}/web +short +7 +\\[OK\\]$`));
  expect(registry.requests.map(({ path }) => path)).toEqual(["/v1/search?q=web&n=25"]);
});

test("--no-trunc, --format, --filter and --limit", async () => {
  answerSearch();
  const term = `${registry.host}/web`;
  expect(await engine.ok(["search", "--no-trunc", "--format", "{{.Description}}", term])).toContain(
    "a rather long description",
  );
  const names = async (...args: string[]) => engine.ok(["search", "--format", "{{.Name}}", ...args, term]);
  expect(await names("--filter", "stars=100")).toBe(`${registry.host}/team/web`);
  expect(await names("--filter", "is-official=true")).toBe(`${registry.host}/web`);
  expect(await names("--limit", "1")).toBe(`${registry.host}/team/web`);
  expect(JSON.parse(await engine.ok(["search", "--limit", "1", "--format", "json", term]))).toEqual({
    Name: `${registry.host}/team/web`,
    Description: "A server of pages, which has a rather long d…",
    StarCount: "120",
    IsOfficial: "false",
    IsAutomated: "false",
  });
});

test("a registry without a search is asked for its repositories", async () => {
  answerCatalog(["team/web", "db", "webby"]);
  const names = async (term: string) =>
    (await engine.ok(["search", "--format", "{{.Name}}", `${registry.host}/${term}`])).split("\n");
  expect(await names("web")).toEqual([`${registry.host}/team/web`, `${registry.host}/webby`]);
  expect(await names("")).toHaveLength(3);
});

test("--list-tags prints the tags of a repository", async () => {
  answerCatalog([]);
  const name = `${registry.host}/team/web`;
  const lines = (await engine.ok(["search", "--list-tags", name])).split("\n");
  expect(lines[0]).toMatch(/^NAME +TAG$/);
  expect(lines.slice(1).map((line) => line.split(/ +/))).toEqual([
    [name, "v1"],
    [name, "v2"],
  ]);
  expect(JSON.parse(await engine.ok(["search", "--list-tags", "--format", "json", name]))).toEqual([
    { Name: name, Tags: ["v1", "v2"] },
  ]);
});

test.each([
  [["--limit", "0"], "limit 0 is outside the range of [1, 100]"],
  [["--limit", "101"], "limit 101 is outside the range of [1, 100]"],
  [["--filter", "stars=many"], "expected a number"],
  [["--filter", "color=red"], 'invalid filter "color"'],
])("%p is refused", async (argv, why) => {
  const result = await engine.proa(["search", ...argv, `${registry.host}/web`]);
  expect(result.stderr).toContain(why);
  expect(result.exitCode).toBeGreaterThan(0);
  expect(registry.requests).toEqual([]);
});

test("a registry with neither way says so, and one that answers nonsense is no list", async () => {
  registry.fault = () => ({ status: 404, body: "{}" });
  const neither = await engine.proa(["search", `${registry.host}/web`]);
  expect(neither.stderr).toContain("the registry offers no search");
  expect(neither.exitCode).toBe(1);
  registry.fault = () => ({ status: 200, body: '{"results":7}' });
  const nonsense = await engine.proa(["search", `${registry.host}/web`]);
  expect(nonsense.stderr).toContain("its answer holds no results");
  expect(nonsense.exitCode).toBeGreaterThan(0);
});
