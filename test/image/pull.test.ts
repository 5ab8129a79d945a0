import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../../src/error";
import {
  findImage,
  listImages,
  lookUpImage,
  type PullOptions,
  type PullProgress,
  pullImage,
  removeImage,
} from "../../src/image";
import type { Context } from "../../src/state";
import { layerDirectories, readRootFile, selectDriver } from "../../src/storage";
import { makeImage, makeIndex, makeLayer, type TestImage, tarOf } from "../harness";
import { FakeRegistry, specError } from "../registry/_fake";
import { makePlace } from "./_place";

const retry = { attempts: 3, firstDelayMs: 1 };
const pull = (context: Context, name: string, options: PullOptions = {}) =>
  pullImage(context, name, { retry, ...options });

async function failure(promise: Promise<unknown>): Promise<EngineError> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error) => error as EngineError,
  );
}

const layers = [
  { "etc/": "", "etc/one": "one", "etc/two": "two", "dir/": "", "dir/old": "old" },
  {
    "etc/.wh.one": "",
    "dir/": "",
    "dir/.wh..wh..opq": "",
    "dir/new": "new",
    "etc/link": { type: "symlink", target: "../dir/new" },
  },
] as const;

const image = (options: Partial<Parameters<typeof makeImage>[0]> = {}): Promise<TestImage> =>
  makeImage({
    layers: [...layers],
    config: { Cmd: ["/bin/x"], Env: ["A=b"], Labels: { is: "test" } },
    ...options,
  });

async function read(context: Context, name: string, path: string): Promise<string | null> {
  return readRootFile(context, { kind: "image", image: findImage(context, name) }, path);
}

describe("pullImage()", () => {
  test.each(["none", "gzip", "zstd"] as const)(
    "brings an image of %s layers into the store",
    async (compression) => {
      await using registry = await FakeRegistry.start();
      await using place = makePlace();
      const name = registry.addImage("app", "v1", await image({ compression }));

      const pulled = await pull(place.context, name);

      expect(pulled).toMatchObject({ name, config: { Cmd: ["/bin/x"], Env: ["A=b"] } });
      expect(listImages(place.context)).toMatchObject([
        { id: pulled.id, tags: [name], labels: { is: "test" }, containers: 0 },
      ]);
      expect(await read(place.context, name, "/etc/two")).toBe("two");
      expect(await read(place.context, name, "/etc/one")).toBeNull(); // a whiteout
      expect(await read(place.context, name, "/dir/old")).toBeNull(); // an opaque directory
      expect(await read(place.context, name, "/etc/link")).toBe("new");
      place.verify();
    },
  );

  test("reads Docker's manifests and lists", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const other = await image({ docker: true, platform: { os: "linux", architecture: "s390x" } });
    const name = registry.addImage(
      "app",
      "v1",
      makeIndex([other, await image({ docker: true })], { docker: true }),
    );

    const pulled = await pull(place.context, name);

    expect(await read(place.context, name, "etc/two")).toBe("two");
    expect(registry.requests.filter(({ path }) => path.includes("/manifests/"))).toHaveLength(2);
    expect(listImages(place.context)[0]?.repositoryDigests).toEqual([
      `${registry.host}/app@${registry.manifests.get("app:v1") && digestOfTop(registry, "app:v1")}`,
    ]);
    expect(lookUpImage(place.context, pulled.id)?.id).toBe(pulled.id);
    place.verify();
  });

  test("asks for the layers without waiting for the config", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const built = await image();
    const name = registry.addImage("app", "v1", built);
    const [config, ...blobs] = built.blobs.map(({ digest }) => digest);
    registry.fault = ({ path }) => {
      const isAsked = (digest: string) => registry.requests.some((request) => request.path.endsWith(digest));
      return path.endsWith(String(config)) && !blobs.every(isAsked) ? { status: 503 } : undefined;
    };
    await pullImage(place.context, name, { retry: { attempts: 12, firstDelayMs: 1 } });
    expect(await read(place.context, name, "etc/two")).toBe("two");
    place.verify();
  });

  test("fetches a blob that is gone, and leaves its layer as it is", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const built = await image();
    const name = registry.addImage("app", "v1", built);
    await pull(place.context, name);
    const digest = built.blobs[1]?.digest.replace("sha256:", "") ?? "";
    rmSync(join(place.context.paths.images, "blobs/sha256", digest));
    await pull(place.context, name);
    expect(await read(place.context, name, "etc/two")).toBe("two");
    place.verify();
  });

  test("takes the platform that was asked for, and lists those that are there", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const architectures = ["s390x", "riscv64"];
    const images = await Promise.all(
      architectures.map((architecture) => image({ platform: { os: "linux", architecture } })),
    );
    const name = registry.addImage("app", "v1", makeIndex(images));

    const error = await failure(pull(place.context, name));
    expect(error.message).toContain("the image has none for it");
    expect(error.hint).toContain("linux/s390x, linux/riscv64");
    place.verify();

    const pulled = await pull(place.context, name, { platform: "linux/riscv64" });
    expect(pulled.platform.architecture).toBe("riscv64");
  });

  test("warns of an image for another platform, and refuses one that was asked for otherwise", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const name = registry.addImage(
      "app",
      "v1",
      await image({ platform: { os: "linux", architecture: "s390x" } }),
    );

    expect((await failure(pull(place.context, name, { platform: "riscv64" }))).code).toBe("not-found");
    await pull(place.context, name);

    expect(place.warnings.join()).toContain("is for linux/s390x, this host is linux/");
  });

  test("fetches nothing that is here already", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const shared = await makeLayer(layers[0]);
    const first = registry.addImage("app", "v1", await makeImage({ layers: [shared] }));
    const second = registry.addImage("app", "v2", await makeImage({ layers: [shared, layers[1]] }));
    await pull(place.context, first);
    registry.requests.length = 0;

    const seen: PullProgress[] = [];
    await pull(place.context, second, { onProgress: (progress) => seen.push(progress) });

    expect(registry.requests.filter(({ path }) => path.includes(shared.digest))).toEqual([]);
    expect(seen.find((one) => one.kind === "layer" && one.id === shared.digest)).toMatchObject({
      status: "exists",
    });
    registry.requests.length = 0;
    await pull(place.context, second);
    expect(registry.requests.map(({ path }) => path)).toEqual(["/v2/app/manifests/v2"]);
    place.verify();
  });

  test("unpacks a layer once that is in the image twice, and an image without layers not at all", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const same = await makeLayer(layers[0]);
    const twice = registry.addImage("app", "twice", await makeImage({ layers: [same, layers[1], same] }));
    const none = registry.addImage("app", "none", await makeImage({ layers: [] }));

    await pull(place.context, twice);
    await pull(place.context, none);

    expect(await read(place.context, twice, "/etc/one")).toBe("one");
    expect(registry.requests.filter(({ path }) => path.endsWith(same.digest))).toHaveLength(1);
    expect(await read(place.context, none, "/etc/one")).toBeNull();
    place.verify();
  });

  test("tells how each layer gets on", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const built = await image();
    const seen: PullProgress[] = [];
    const name = registry.addImage("app", "v1", built);

    await pull(place.context, name, { onProgress: (progress) => seen.push(progress) });

    expect(seen[0]).toEqual({ kind: "resolved", reference: name, digest: built.top.digest });
    for (const layer of built.blobs.slice(1)) {
      const states = seen.flatMap((one) =>
        one.kind === "layer" && one.id === layer.digest ? [one.status] : [],
      );
      expect([...new Set(states)]).toEqual(["waiting", "downloading", "extracting", "done"]);
    }
  });

  test("follows its policy", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const name = registry.addImage("app", "v1", await image());
    const requests = () => registry.requests.length;

    expect((await failure(pull(place.context, name, { policy: "never" }))).message).toBe(
      `No such image: ${name}: image not known`,
    );
    expect(requests()).toBe(0);
    await pull(place.context, name, { policy: "missing" });
    const after = requests();
    await pull(place.context, name, { policy: "missing" });
    await pull(place.context, name, { policy: "never" });
    expect(requests()).toBe(after);
    registry.fault = () => specError(503, "UNAVAILABLE", "down");
    await pull(place.context, name, { policy: "newer" });
    expect(place.warnings.join()).toContain("is used as it is here");
    expect((await failure(pull(place.context, name, { policy: "always" }))).code).toBe("registry");
  });

  test("leaves the old image without a name when the name moves", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const name = registry.addImage("app", "v1", await image());
    const old = await pull(place.context, name);
    registry.addImage("app", "v1", await image({ config: { Cmd: ["/other"] } }));

    const fresh = await pull(place.context, name);

    expect(fresh.id).not.toBe(old.id);
    expect(findImage(place.context, name).id).toBe(fresh.id);
    expect(findImage(place.context, old.id).id).toBe(old.id);
    place.verify();
  });

  test("by digest gives no tag, and is found by the digest", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const built = await image();
    registry.addImage("app", "v1", built);
    const name = `${registry.host}/app@${built.top.digest}`;

    const pulled = await pull(place.context, name);

    expect(listImages(place.context)).toMatchObject([{ tags: [], repositoryDigests: [name] }]);
    expect(findImage(place.context, name).id).toBe(pulled.id);
    expect(await removeImage(place.context, name)).toMatchObject([
      { kind: "untagged", name },
      { kind: "deleted" },
      {},
      {},
    ]);
    place.verify();
  });
});

function digestOfTop(registry: FakeRegistry, key: string): string {
  const body = registry.manifests.get(key)?.body ?? new Uint8Array();
  return `sha256:${new Bun.CryptoHasher("sha256").update(body).digest("hex")}`;
}

/** Each is pulled once as it is, and once in good order: the store must be as if the first had never been. */
describe("what goes wrong", () => {
  const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)));
  const big = { big: new Uint8Array(Buffer.concat(Array(20).fill(noise))) };

  async function spoilt(
    spoil: (registry: FakeRegistry, built: TestImage) => void,
    options: PullOptions = {},
  ): Promise<EngineError> {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const built = await makeImage({ layers: [layers[0], big] });
    const name = registry.addImage("app", "v1", built);
    spoil(registry, built);

    const error = await failure(pull(place.context, name, options));

    expect(error).toBeInstanceOf(EngineError);
    expect(listImages(place.context)).toEqual([]);
    place.verify();
    registry.fault = () => undefined;
    registry.addImage("app", "v1", built);
    await pull(place.context, name);
    place.verify();
    return error;
  }

  test("a layer with a changed byte: the digest says so, not the decompressor", async () => {
    const error = await spoilt((registry, built) => {
      const layer = built.blobs[2];
      const changed = Buffer.from(layer?.bytes ?? "");
      changed[5000] = (changed[5000] ?? 0) ^ 1;
      registry.blobs.set(layer?.digest ?? "", changed);
    });
    expect(error.code).toBe("digest-mismatch");
    expect(error.message).toMatch(/^pull image: 127\.0\.0\.1:\d+\/app:v1: store blob: wrong digest: sha256:/);
  });

  test("a layer that is shorter than announced", async () => {
    const error = await spoilt((registry, built) => {
      const layer = built.blobs[2];
      registry.blobs.set(layer?.digest ?? "", Buffer.from(layer?.bytes ?? "").subarray(0, 1000));
    });
    expect(error.message).toContain("it announces 1000 bytes, the manifest");
  });

  test("a registry that goes away in the middle of a layer", async () => {
    const error = await spoilt((registry, built) => {
      const digest = built.blobs[2]?.digest ?? "";
      registry.fault = (request) =>
        request.path.endsWith(digest) ? { ...registry.answer(request), cutAfter: 70_000 } : undefined;
    });
    expect(error.message).toContain("the registry is gone in the middle, after");
    expect(error.code).toBe("registry");
  });

  test("a layer that is not what the config says", async () => {
    const other = await makeLayer({ other: "x" });
    const error = await spoilt((registry, built) => {
      const manifest = JSON.parse(Buffer.from(built.top.bytes).toString());
      manifest.layers[0] = { mediaType: other.mediaType, digest: other.digest, size: other.bytes.length };
      registry.blobs.set(other.digest, other.bytes);
      registry.addManifest("app", "v1", manifest, built.top.mediaType);
    });
    expect(error.message).toContain("unpack layer");
  });

  test("a config with another number of layers", async () => {
    const error = await spoilt((registry, built) => {
      const manifest = JSON.parse(Buffer.from(built.top.bytes).toString());
      manifest.layers.pop();
      registry.addManifest("app", "v1", manifest, built.top.mediaType);
    });
    expect(error.message).toContain("2 diff ids, but the manifest has 1 layers");
  });

  test("a config that does not come, while a layer is on its way: nobody waits for that", async () => {
    const error = await spoilt((registry, built) => {
      const [config, , layer] = built.blobs.map(({ digest }) => digest);
      registry.fault = (request) => {
        if (request.path.endsWith(String(config))) return { status: 404 };
        if (!request.path.endsWith(String(layer))) return undefined;
        return { ...registry.answer(request), cutAfter: 70_000, isHeld: true };
      };
    });
    expect(error.message).toMatch(/fetch blob: .*404|fetch blob: .*not found/i);
  });

  test("an index in an index", async () => {
    const error = await spoilt((registry, built) => {
      const inner = makeIndex([built]);
      const outer = makeIndex([{ ...inner, platform: built.platform }]);
      registry.addImage("app", "v1", outer);
    });
    expect(error.message).toMatch(/an index within an index|on an index/);
  });

  test("a manifest that is a web page", async () => {
    const error = await spoilt((registry) => {
      registry.fault = () => ({ status: 200, headers: { "content-type": "text/html" }, body: "<html>" });
    });
    expect(error.message).toContain("web page");
  });

  test("an interruption in the middle of a layer", async () => {
    const stop = new AbortController();
    const error = await spoilt(
      (registry, built) => {
        const digest = built.blobs[2]?.digest ?? "";
        registry.fault = (request, count) => {
          if (!request.path.endsWith(digest) || count > 0) return undefined;
          setTimeout(() => stop.abort(new EngineError("interrupted", "pull image", "", "interrupted")), 100);
          const whole = registry.answer(request);
          const headers = { "content-length": String(whole.body?.length) };
          return { ...whole, headers, body: whole.body?.slice(0, 50_000) ?? "", isHeld: true };
        };
      },
      { signal: stop.signal },
    );
    expect(error.code).toBe("interrupted");
  });

  test("an archive that wants to write outside its layer", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const evil = await makeLayer(
      await tarOf({
        "../../../evil": "x",
        "/abs": "y",
        a: { type: "symlink", target: "/tmp" },
        "a/evil-proa": "z",
      }),
    );
    const name = registry.addImage("app", "v1", await makeImage({ layers: [evil] }));

    await pull(place.context, name).catch(() => undefined);

    expect(existsSync("/tmp/evil-proa")).toBe(false);
    expect(existsSync(join(place.context.paths.data, "evil"))).toBe(false);
    expect(existsSync(join(place.context.paths.layers, "evil"))).toBe(false);
    place.verify();
  });
});

describe("several processes", () => {
  test("pull the same image at once, and all succeed", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const name = registry.addImage("app", "v1", await image());

    const pulled = await Promise.all([1, 2, 3, 4].map(() => pull(place.again(), name)));

    expect(new Set(pulled.map(({ id }) => id)).size).toBe(1);
    place.verify();
  });

  test("one is killed in the middle: the next one cleans up", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const built = await image();
    const name = registry.addImage("app", "v1", built);
    const digest = built.blobs[2]?.digest ?? "";
    let isHanging = false;
    registry.fault = (request) => {
      if (!request.path.endsWith(digest) || isHanging) return undefined;
      isHanging = true;
      return { ...registry.answer(request), delayMs: 60_000 };
    };
    const { paths } = place.context;
    const child = Bun.spawn(
      [process.execPath, join(import.meta.dir, "_pull-process.ts"), name, JSON.stringify(place.context.env)],
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    const ingest = join(paths.images, "ingest");
    const partial = () => existsSync(ingest) && readdirSync(ingest).some((file) => !file.endsWith(".lock"));
    while (!partial() || !isHanging) await Bun.sleep(5);
    child.kill("SIGKILL");
    await child.exited;
    expect(partial()).toBe(true);

    await pull(place.context, name);

    place.verify();
    expect(await read(place.context, name, "/etc/two")).toBe("two");
  });
});

describe("the vfs driver", () => {
  test("unpacks each layer over a copy of the one below", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace("vfs");
    const name = registry.addImage("app", "v1", await image());

    await pull(place.context, name);

    const { driver } = await selectDriver(place.context);
    const [top = ""] = await layerDirectories(place.context, driver, findImage(place.context, name).id);
    expect(readdirSync(join(top, "etc")).sort()).toEqual(["link", "two"]);
    expect(readdirSync(join(top, "dir"))).toEqual(["new"]);
    expect(await read(place.context, name, "/etc/link")).toBe("new");
    place.verify();
  });

  test("unpacks what was pulled for overlay from its blobs", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const name = registry.addImage("app", "v1", await image());
    await pull(place.context, name);
    registry.requests.length = 0;

    const context = place.again("vfs");
    expect(await read(context, name, "/etc/two")).toBe("two");

    expect(registry.requests).toEqual([]);
    place.verify();
  });
});

test("the store is an image layout that lists every name", async () => {
  await using registry = await FakeRegistry.start();
  await using place = makePlace();
  const built = await image();
  const name = registry.addImage("app", "v1", built);
  await pull(place.context, name);

  const { images } = place.context.paths;
  expect(JSON.parse(readFileSync(join(images, "oci-layout"), "utf8"))).toEqual({
    imageLayoutVersion: "1.0.0",
  });
  const index = JSON.parse(readFileSync(join(images, "index.json"), "utf8"));
  expect(index.manifests).toEqual([
    {
      mediaType: built.top.mediaType,
      digest: built.top.digest,
      size: built.top.bytes.length,
      annotations: { "org.opencontainers.image.ref.name": name },
    },
  ]);
  for (const blob of [...built.blobs, built.top]) {
    expect(statSync(join(images, "blobs", blob.digest.replace(":", "/"))).size).toBe(blob.bytes.length);
  }
});

/** What another program prints, or throws with what it complains of. */
function output(command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { stdio: ["ignore", "pipe", "pipe"] });
  if (exitCode !== 0) throw new Error(stderr.toString());
  return stdout.toString();
}

describe("other tools", () => {
  test.skipIf(Bun.which("skopeo") === null)(
    "skopeo reads the store, and copies an image out of it whole",
    async () => {
      await using registry = await FakeRegistry.start();
      await using place = makePlace();
      const built = await image({ compression: "zstd" });
      const name = registry.addImage("app", "v1", built);
      await pull(place.context, name);
      await pull(place.context, "hello");
      const store = `oci:${place.context.paths.images}`;

      expect(JSON.parse(output(["skopeo", "inspect", `${store}:${name}`]))).toMatchObject({
        Digest: built.top.digest,
        Labels: { is: "test" },
      });
      const copy = join(place.context.paths.data, "copy");
      output(["skopeo", "--insecure-policy", "copy", "-q", `${store}:localhost/hello:latest`, `dir:${copy}`]);
      expect(readdirSync(copy)).toContain("manifest.json");
      place.verify();
    },
  );

  test.skipIf(Bun.which("umoci") === null)("umoci lists and reads the store", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const name = registry.addImage("app", "v1", await image());
    await pull(place.context, name);
    await pull(place.context, "hello");
    const { images } = place.context.paths;

    expect(output(["umoci", "ls", "--layout", images]).trim().split("\n")).toEqual([
      name,
      "localhost/hello:latest",
    ]);
    const stat = JSON.parse(
      output(["umoci", "stat", "--json", "--image", `${images}:localhost/hello:latest`]),
    );
    expect(stat.history).toMatchObject([{ created_by: "proa: embedded image" }]);
  });
});
