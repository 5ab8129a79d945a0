/** `proa pull --all-tags`, layers that two pulls share, policies, and indexes that are no good. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeImage, makeIndex, makeLayer, tinyLayer, useEngine, waitUntil } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";
import { strayFiles } from "./_spoilt";

const engine = useEngine();
let registry: FakeRegistry;

beforeAll(async () => {
  registry = await FakeRegistry.start();
});
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

const noise = (bytes: number) => new Uint8Array(bytes).map(() => Math.random() * 256);
const blobRequests = (digest: string) => registry.requests.filter(({ path }) => path.endsWith(digest)).length;

describe("--all-tags", () => {
  async function withTags(repository: string, tags: readonly string[]): Promise<string> {
    for (const tag of tags) {
      registry.addImage(repository, tag, await makeImage({ layers: [{ tag }], config: { Labels: { tag } } }));
    }
    return `${registry.host}/${repository}`;
  }

  /** Answers a request for the list of tags. */
  function listing(answer: (query: string) => { tags: unknown; link?: string }): void {
    registry.fault = ({ path }) => {
      const found = /\/tags\/list(\?.*)?$/.exec(path);
      if (found === null) return undefined;
      const { tags, link } = answer(found[1] ?? "");
      return {
        status: 200,
        headers: { "content-type": "application/json", ...(link === undefined ? {} : { link }) },
        body: JSON.stringify({ name: "x", tags }),
      };
    };
  }

  test("pulls every tag, over all pages, and prints each", async () => {
    const name = await withTags("many", ["a", "b", "c"]);
    listing((query) =>
      query === ""
        ? { tags: ["a", "b"], link: '</v2/many/tags/list?last=b&n=2>; rel="next"' }
        : { tags: ["c"] },
    );
    expect(await engine.ok(["pull", "-q", "--all-tags", name])).toBe(`${name}:a\n${name}:b\n${name}:c`);
    expect(
      await engine.ok(["images", "--format", "{{.Tag}}", name]).then((text) => text.split("\n").sort()),
    ).toEqual(["a", "b", "c"]);
    expect(await engine.ok(["pull", "-aq", name])).toContain(`${name}:c`);
  });

  test("a list that leads in a circle ends; what is no tag is left out", async () => {
    const name = await withTags("circle", ["a"]);
    listing(() => ({
      tags: ["a", "../../../etc", 5, "x".repeat(200)],
      link: '</v2/circle/tags/list?last=a>; rel="next"',
    }));
    expect(await engine.ok(["pull", "-q", "-a", name])).toBe(`${name}:a`);
  });

  test("does not follow a list to another host", async () => {
    const name = await withTags("elsewhere", ["a"]);
    await using other = await FakeRegistry.start();
    listing(() => ({ tags: ["a"], link: `<http://${other.host}/v2/elsewhere/tags/list?n=1>; rel="next"` }));
    expect(await engine.ok(["pull", "-q", "-a", name])).toBe(`${name}:a`);
    expect(other.requests).toEqual([]);
  });

  test.each([":v1", `@sha256:${"0".repeat(64)}`])("refuses a name with %s", async (suffix) => {
    const result = await engine.proa(["pull", "-a", `${registry.host}/many${suffix}`]);
    expect(result.stderr).toContain("a tag cannot be used with --all-tags");
    expect(result.exitCode).toBe(1);
  });

  test("says that there is none", async () => {
    listing(() => ({ tags: null }));
    const result = await engine.proa(["pull", "-a", `${registry.host}/none`]);
    expect(result.stderr).toContain("the repository has no tag");
    expect(result.exitCode).toBe(1);
    registry.fault = () => undefined;
  });
});

describe("two pulls at the same time", () => {
  test("fetch a layer that both need once", async () => {
    const shared = await makeLayer({ shared: noise(400_000) });
    const names = await Promise.all(
      ["one", "two", "three"].map(async (tag) =>
        registry.addImage(
          "together",
          tag,
          await makeImage({ layers: [await tinyLayer(), shared, { said: tag }] }),
        ),
      ),
    );
    let isHeld = true;
    registry.requests.length = 0;
    registry.fault = (request) =>
      isHeld && request.path.endsWith(shared.digest)
        ? { ...registry.answer(request), delayMs: 700 }
        : undefined;
    const pulls = names.map((name) => engine.proa(["pull", "-q", name]));
    await waitUntil(() => blobRequests(shared.digest) > 0, { what: "request for the layer" });
    isHeld = false;
    for (const { exitCode, stderr } of await Promise.all(pulls))
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    registry.fault = () => undefined;
    expect(blobRequests(shared.digest)).toBe(1);
    expect(strayFiles(engine)).toEqual([]);
    expect(await engine.ok(["run", "--rm", names[2] ?? "", "cat", "/said"])).toBe("three");
  });

  test("the second goes on when the first is killed in the middle of the layer", async () => {
    const shared = await makeLayer({ shared: noise(400_000) });
    const names = await Promise.all(
      ["one", "two"].map(async (tag) =>
        registry.addImage(
          "killed",
          tag,
          await makeImage({ layers: [await tinyLayer(), shared, { said: tag }] }),
        ),
      ),
    );
    registry.requests.length = 0;
    registry.fault = (request) => {
      if (!request.path.endsWith(shared.digest)) return undefined;
      const whole = registry.answer(request);
      return {
        ...whole,
        headers: { "content-length": String(whole.body?.length) },
        body: whole.body?.slice(0, 100_000) ?? "",
        isHeld: true,
      };
    };
    const first = engine.start(["pull", "-q", names[0] ?? ""]);
    await waitUntil(() => blobRequests(shared.digest) === 1, { what: "request for the layer" });
    registry.fault = () => undefined;
    const second = engine.start(["pull", "-q", names[1] ?? ""]);
    await waitUntil(() => registry.requests.some(({ path }) => path.endsWith("/manifests/two")), {
      what: "the second pull",
    });
    first.kill("SIGKILL");
    await first.exited;
    expect(await second.exited).toBe(0);
    expect(blobRequests(shared.digest)).toBe(2);
    await engine.ok(["pull", "-q", names[0] ?? ""]);
    expect(strayFiles(engine)).toEqual([]);
    expect((await engine.proa(["system", "check"])).stdout).toBe("");
  });

  test("and a prune: what is being pulled is not collected", async () => {
    const names = await Promise.all(
      [0, 1].map(async (at) =>
        registry.addImage(
          "pruned",
          `v${at}`,
          await makeImage({ layers: [await tinyLayer(), { said: `${at}`, big: noise(200_000) }] }),
        ),
      ),
    );
    for (let round = 0; round < 3; round++) {
      const results = await Promise.all([
        ...names.map((name) => engine.proa(["pull", "-q", name])),
        engine.proa(["system", "prune", "-f"]),
        engine.proa(["rmi", names[round % 2] ?? ""]),
      ]);
      for (const { exitCode, stderr } of results.slice(0, 3))
        expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    }
    for (const name of names) await engine.ok(["pull", "-q", name]);
    expect(await engine.ok(["run", "--rm", names[1] ?? "", "cat", "/said"])).toBe("1");
    expect(await engine.proa(["system", "check"])).toMatchObject({ stdout: "", exitCode: 0 });
  });
});

describe("kill -9 in each phase of a pull: the store passes its check, and the next pull succeeds", () => {
  test.each(["/manifests/v1", "config", "layer"])("while it waits for %s", async (phase) => {
    const layer = await makeLayer({ large: noise(300_000) });
    const image = await makeImage({ layers: [await tinyLayer(), layer, { said: phase }] });
    const name = registry.addImage(`phase${phase.replace(/\W/g, "")}`, "v1", image);
    const end =
      phase === "config" ? (image.blobs[0]?.digest ?? "") : phase === "layer" ? layer.digest : phase;
    registry.requests.length = 0;
    registry.fault = (request) => {
      if (!request.path.endsWith(end)) return undefined;
      const whole = registry.answer(request);
      const length = whole.body?.length ?? 0;
      return {
        ...whole,
        headers: { ...whole.headers, "content-length": String(length) },
        body: whole.body?.slice(0, Math.trunc(length / 2)) ?? "",
        isHeld: true,
      };
    };
    const pull = engine.start(["pull", "-q", name]);
    await waitUntil(() => blobRequests(end) > 0, { what: "request" });
    if (phase === "layer") {
      const ingest = join(engine.sandbox.dataHome, "proa/images/ingest");
      const hasBytes = () => readdirSync(ingest).some((each) => statSync(join(ingest, each)).size > 1000);
      await waitUntil(hasBytes, { what: "half a layer" });
    }
    pull.kill("SIGKILL");
    await pull.exited;
    registry.fault = () => undefined;
    expect(await engine.proa(["system", "check"])).toMatchObject({ stdout: "", exitCode: 0 });
    await engine.ok(["pull", "-q", name]);
    expect(strayFiles(engine)).toEqual([]);
    expect(await engine.ok(["run", "--rm", name, "cat", "/said"])).toBe(phase);
  });

  test("at any moment", async () => {
    const layers = [await tinyLayer(), { a: noise(2_000_000) }, { b: noise(2_000_000) }, { said: "whole" }];
    const name = registry.addImage("anywhere", "v1", await makeImage({ layers }));
    for (const afterMs of [15, 30, 45, 60, 80, 100, 130]) {
      const pull = engine.start(["pull", "-q", name]);
      await Bun.sleep(afterMs);
      pull.kill("SIGKILL");
      await pull.exited;
      expect(await engine.proa(["system", "check"])).toMatchObject({ stdout: "", exitCode: 0 });
    }
    await engine.ok(["pull", "-q", name]);
    expect(await engine.ok(["run", "--rm", name, "cat", "/said"])).toBe("whole");
    await engine.ok(["rmi", name]);
    expect(strayFiles(engine)).toEqual([]);
  });
});

describe("indexes", () => {
  const failing = async (name: string): Promise<string> => {
    const result = await engine.proa(["pull", "-q", name]);
    expect(result.stdout).toBe("");
    expect(result.stderr).toStartWith(`Error: pull image: ${name}: `);
    expect(result.exitCode).toBe(1);
    expect(strayFiles(engine)).toEqual([]);
    return result.stderr;
  };

  test("that hold themselves, as far as a digest allows, and each other, end in an error", async () => {
    const image = await makeImage({ layers: [{ x: "x" }] });
    let index = makeIndex([image]);
    for (let depth = 0; depth < 5; depth++) {
      index = makeIndex([{ ...index, platform: image.platform }]);
    }
    expect(await failing(registry.addImage("nested", "v1", index))).toContain("index within an index");
  });

  test("a registry that gives the same index for every digest is found out", async () => {
    const index = makeIndex([await makeImage({ layers: [{ x: "same" }] })]);
    const name = registry.addImage("samething", "v1", index);
    registry.fault = ({ path }) =>
      path.includes("/manifests/")
        ? { status: 200, headers: { "content-type": index.top.mediaType }, body: index.top.bytes }
        : undefined;
    const text = await failing(name);
    registry.fault = () => undefined;
    expect(text).toContain("wrong digest");
  });

  test("an index without entries", async () => {
    expect(await failing(registry.addImage("empty-index", "v1", makeIndex([])))).toContain(
      "the image has none for it",
    );
  });
});

test("--policy newer uses what is here where the registry is away, and says so", async () => {
  const name = registry.addImage(
    "newer",
    "v1",
    await makeImage({ layers: [await tinyLayer(), { said: "old" }] }),
  );
  await engine.ok(["pull", "-q", name]);
  registry.fault = () => ({ status: 404 });
  const result = await engine.proa(["pull", "-q", "--policy", "newer", name]);
  registry.fault = () => undefined;
  expect(result.exitCode).toBe(0);
  expect(result.stdout).toBe(`${name}\n`);
  expect(result.stderr).toContain("is used as it is here");
});
