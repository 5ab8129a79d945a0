/** `proa image inspect`, `proa inspect` of images, and `proa history`. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { makeImage, type TestImage, tinyLayer, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

const engine = useEngine();
let registry: FakeRegistry;
let image: TestImage;
let name: string;

beforeAll(async () => {
  registry = await FakeRegistry.start();
  image = await makeImage({
    layers: [await tinyLayer(), { own: "x".repeat(5000) }],
    config: {
      User: "app",
      Env: ["PATH=/bin", "A=b=c"],
      Entrypoint: ["/bin/sh"],
      Cmd: ["-c", "true"],
      WorkingDir: "/home/app",
      Labels: { "org.example.key": "value" },
      StopSignal: "SIGQUIT",
      ExposedPorts: { "80/tcp": {} },
      Volumes: { "/data": {} },
    },
  });
  name = registry.addImage("inspected", "v1", image);
  await engine.ok(["pull", "-q", name]);
});
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

const idOf = () => image.blobs[0]?.digest ?? "";

describe("image inspect", () => {
  test("prints a JSON array with docker's fields", async () => {
    const [document] = JSON.parse(await engine.ok(["image", "inspect", name]));
    expect(document).toMatchObject({
      Id: idOf(),
      RepoTags: [name],
      RepoDigests: [`${registry.host}/inspected@${image.top.digest}`],
      Created: "2024-01-02T03:04:05Z",
      Config: {
        User: "app",
        Env: ["PATH=/bin", "A=b=c"],
        Entrypoint: ["/bin/sh"],
        Cmd: ["-c", "true"],
        WorkingDir: "/home/app",
        Labels: { "org.example.key": "value" },
        StopSignal: "SIGQUIT",
        ExposedPorts: { "80/tcp": {} },
        Volumes: { "/data": {} },
      },
      Os: "linux",
      GraphDriver: { Name: "overlay" },
    });
    expect(document.RootFS.Type).toBe("layers");
    expect(document.RootFS.Layers).toHaveLength(2);
    expect(document.Size).toBeGreaterThan(1_000_000);
  });

  test.each(["name", "id", "short id", "digest", "name without host"] as const)(
    "finds it by %s",
    async (by) => {
      const text = {
        name,
        id: idOf(),
        "short id": idOf().slice(7, 19),
        digest: `${registry.host}/inspected@${image.top.digest}`,
        "name without host": "inspected:v1",
      }[by];
      const result = await engine.proa(["image", "inspect", "--format", "{{.Id}}", text]);
      if (by === "name without host")
        expect(result.stderr).toContain("No such image"); // a short name means Docker Hub's
      else expect(result.stdout).toBe(`${idOf()}\n`);
    },
  );

  test("--format takes Go templates, maps by key, functions, json", async () => {
    const format = (text: string) => engine.ok(["image", "inspect", "-f", text, name]);
    expect(await format("{{.Config.Labels}}")).toBe("map[org.example.key:value]");
    expect(await format('{{index .Config.Labels "org.example.key"}}')).toBe("value");
    expect(await format("{{json .Config.Cmd}}")).toBe('["-c","true"]');
    expect(await format("{{range .Config.Env}}{{.}};{{end}}")).toBe("PATH=/bin;A=b=c;");
    expect(await format("{{len .RootFS.Layers}}")).toBe("2");
    expect(await format('{{join .Config.Entrypoint ","}}')).toBe("/bin/sh");
    expect(JSON.parse(await format("json"))[0].Id).toBe(idOf());
  });

  test("prints those that are there, reports the others, and exits with 1", async () => {
    const result = await engine.proa(["image", "inspect", "-f", "{{.Id}}", "not-there", name]);
    expect(result.stdout).toBe(`${idOf()}\n`);
    expect(result.stderr).toBe(
      "Error: No such image: not-there: image not known\nhint: list them: proa images\n",
    );
    expect(result.exitCode).toBe(1);
  });

  test("of nothing that is there prints an empty array, as docker does", async () => {
    const result = await engine.proa(["image", "inspect", "not-there"]);
    expect(result.stdout).toBe("[]\n");
    expect(result.exitCode).toBe(1);
  });

  test("a prefix that several ids share is refused", async () => {
    const made: string[] = [];
    for (let i = 0; i < 40; i++) {
      const other = await makeImage({ layers: [{ shared: String(i) }] });
      made.push(other.blobs[0]?.digest.slice(7) ?? "");
      await engine.ok(["pull", "-q", registry.addImage("prefix", String(i), other)]);
      const first = made.find((id) => made.filter((each) => each[0] === id[0]).length > 1);
      if (first === undefined) continue;
      const result = await engine.proa(["image", "inspect", first.slice(0, 1)]);
      expect(result.stderr).toContain("several images have ids that begin so");
      expect(result.exitCode).toBe(1);
      return;
    }
    throw new Error("no two ids began alike");
  });
});

describe("inspect", () => {
  test("finds containers before images, and images with --type image", async () => {
    await engine.ok(["create", "--name", "both", name]);
    expect(await engine.ok(["inspect", "-f", "{{.Name}}", "both"])).toBe("/both");
    expect(await engine.ok(["inspect", "-f", "{{.Id}}", name])).toBe(idOf());
    const wrong = await engine.proa(["inspect", "--type", "image", "both"]);
    expect(wrong.stderr).toContain("No such image");
    const none = await engine.proa(["inspect", "--type", "container", name]);
    expect(none.stderr).toContain("no such container");
    const neither = await engine.proa(["inspect", "neither"]);
    expect(neither.stderr).toBe("Error: inspect: neither: no such object\n");
    expect(neither.exitCode).toBe(1);
    await engine.ok(["rm", "both"]);
  });

  test.each(["UPPER", "a b", "x:y:z", "@", ""])(
    "%p, which can be no image's name, is not found without a stack",
    async (text) => {
      const result = await engine.proa(["inspect", text]);
      expect(result.stderr).toStartWith("Error: ");
      expect(result.stderr).not.toContain("internal");
      expect(result.exitCode).toBeGreaterThan(0);
    },
  );
});

describe("history", () => {
  test("has a line a layer, newest first, with the id at the top", async () => {
    const lines = (await engine.ok(["history", name])).split("\n");
    expect(lines[0]).toMatch(/^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$/);
    expect(lines[1]).toMatch(new RegExp(`^${idOf().slice(7, 19)} +\\d+ years ago +layer 1 +[\\d.]+kB`));
    expect(lines[2]).toMatch(/^<missing> +\d+ years ago +layer 0 +[\d.]+MB/);
  });

  test("-q, --no-trunc and --format", async () => {
    expect(await engine.ok(["history", "-q", name])).toBe(`${idOf().slice(7, 19)}\n<missing>`);
    expect((await engine.ok(["history", "-q", "--no-trunc", name])).split("\n")[0]).toBe(idOf());
    expect(await engine.ok(["image", "history", "--format", "{{.CreatedBy}}", name])).toBe(
      "layer 1\nlayer 0",
    );
    expect(
      JSON.parse((await engine.ok(["history", "--format", "json", name])).split("\n")[0] ?? ""),
    ).toMatchObject({ CreatedBy: "layer 1" });
  });

  test("of what is not there exits with 1", async () => {
    const result = await engine.proa(["history", "not-there"]);
    expect(result.stderr).toBe(
      "Error: No such image: not-there: image not known\nhint: list them: proa images\n",
    );
    expect(result.exitCode).toBe(1);
  });
});
