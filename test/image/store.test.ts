import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { EngineError } from "../../src/error";
import {
  countImages,
  findImage,
  historyOf,
  imageById,
  inspectImage,
  listImages,
  lookUpImage,
  pruneImages,
  pullImage,
  removeImage,
  type StoredImage,
  tagImage,
} from "../../src/image";
import { type ContainerStatus, type Context, insertContainer } from "../../src/state";
import { whileKept } from "../../src/storage";
import { makeImage, makeLayer, type TestImage } from "../harness";
import { FakeRegistry } from "../registry/_fake";
import { makePlace } from "./_place";

async function failure(promise: Promise<unknown>): Promise<EngineError> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error) => error as EngineError,
  );
}

function addContainer({ db }: Context, name: string, image: StoredImage, status: ContainerStatus): void {
  const id = new Bun.CryptoHasher("sha256").update(name).digest("hex");
  const times = { created_ms: 1, started_ms: 0, finished_ms: 0, exit_code: 0 };
  const row = {
    id,
    name,
    image_id: image.id,
    image_ref: "x",
    command: "x",
    status,
    error: "",
    auto_remove: 0 as const,
    user_stopped: 0 as const,
    restart_count: 0,
    oom_killed: 0 as const,
    health: "",
  };
  insertContainer(db(), { ...row, ...times }, "{}");
}

const base = makeLayer({ base: "base" });
const withBase = async (content: string): Promise<TestImage> =>
  makeImage({ layers: [await base, { [content]: content }], config: { Cmd: ["/x"], Labels: { a: "b" } } });

describe("the embedded image", () => {
  test("is there without a network, under its short name", async () => {
    await using place = makePlace();
    const image = await pullImage(place.context, "hello", { policy: "missing" });
    expect(image).toMatchObject({ name: "localhost/hello:latest", config: { Cmd: ["/hello"] } });
    expect((await pullImage(place.context, "localhost/hello", { policy: "never" })).id).toBe(image.id);
    expect(findImage(place.context, "hello").id).toBe(image.id);
    place.verify();
  });

  test("is made once by several at the same time", async () => {
    await using place = makePlace();
    const made = await Promise.all([1, 2, 3].map(() => pullImage(place.again(), "hello")));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    place.verify();
  });

  test("can be removed, and comes back", async () => {
    await using place = makePlace();
    await pullImage(place.context, "hello");
    await removeImage(place.context, "hello");
    expect(listImages(place.context)).toEqual([]);
    expect(readdirSync(join(place.context.paths.images, "blobs/sha256"))).toEqual([]);
    await pullImage(place.context, "hello");
    place.verify();
  });
});

describe("findImage()", () => {
  test("finds by name, id, short id, digest, and tells what it found it by", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const built = await withBase("one");
    const name = registry.addImage("app", "v1", built);
    const { id } = await pullImage(place.context, name);
    const find = (text: string) => findImage(place.context, text);

    expect(find(name)).toMatchObject({ id, name });
    expect(find(id)).toMatchObject({ id, name: undefined });
    expect(find(id.slice(7)).id).toBe(id);
    expect(find(id.slice(7, 19)).id).toBe(id);
    expect(find(id.slice(0, 12)).id).toBe(id);
    expect(find(`${registry.host}/app@${built.top.digest}`).id).toBe(id);
    expect(imageById(place.context, id).config.Cmd).toEqual(["/x"]);
  });

  test("prefers a name to the beginning of an id", async () => {
    await using place = makePlace();
    const { id } = await pullImage(place.context, "hello");
    const prefix = id.slice(7, 10);
    await tagImage(place.context, "hello", `localhost/${prefix}`);
    expect(findImage(place.context, prefix).name).toBe(`localhost/${prefix}:latest`);
  });

  test("says when there is none, or no name at all", async () => {
    await using place = makePlace();
    expect(lookUpImage(place.context, "nothing")).toBeNull();
    expect(() => findImage(place.context, "nothing")).toThrow("No such image: nothing: image not known");
    expect(() => findImage(place.context, "sha256:abc")).toThrow("No such image");
    expect(() => findImage(place.context, "No:Such:Name")).toThrow("invalid reference");
  });
});

describe("tagImage()", () => {
  test("gives a second name, and takes a name from another image", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const one = await pullImage(place.context, registry.addImage("app", "one", await withBase("one")));
    const two = await pullImage(place.context, registry.addImage("app", "two", await withBase("two")));

    await tagImage(place.context, one.id, "mine");
    expect(listImages(place.context).find(({ id }) => id === one.id)?.tags).toContain("mine:latest");
    await tagImage(place.context, two.id, "mine");

    expect(findImage(place.context, "mine").id).toBe(two.id);
    expect(failure(tagImage(place.context, "nothing", "x"))).resolves.toMatchObject({ code: "not-found" });
    place.verify();
  });
});

test("pruneImages() leaves out what somebody else removes meanwhile", async () => {
  await using place = makePlace();
  await pullImage(place.context, "hello", { policy: "missing" });
  const wanted = ({ id }: { id: string }): boolean => {
    place.context.db().run("PRAGMA foreign_keys = OFF");
    place.context.db().run("DELETE FROM image WHERE id = ?", [id]);
    return true;
  };
  expect((await pruneImages(place.context, { all: true, wanted })).removed).toEqual([]);
});

describe("removeImage()", () => {
  test("takes a name away, and with the last one the image and what only it had", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const name = registry.addImage("app", "one", await withBase("one"));
    const other = registry.addImage("app", "two", await withBase("two"));
    const one = await pullImage(place.context, name);
    await pullImage(place.context, other);
    await tagImage(place.context, name, "mine");

    expect(await removeImage(place.context, "mine")).toEqual([{ kind: "untagged", name: "mine:latest" }]);
    const removed = await removeImage(place.context, name);

    expect(removed.map(({ kind }) => kind)).toEqual(["untagged", "untagged", "deleted", "deleted"]);
    expect(removed[2]?.name).toBe(one.id);
    expect(countImages(place.context)).toBe(1);
    expect(readdirSync(join(place.context.paths.layers, "overlay"))).toHaveLength(2);
    expect(readdirSync(join(place.context.paths.images, "blobs/sha256"))).toHaveLength(4);
    place.verify();
  });

  test("by id takes all names of one repository, and of several only by force", async () => {
    await using place = makePlace();
    const { id } = await pullImage(place.context, "hello");
    await tagImage(place.context, "hello", "localhost/hello:two");
    await tagImage(place.context, "hello", "other");

    const refused = await failure(removeImage(place.context, id));
    expect(refused).toMatchObject({ code: "in-use", exitCode: 1 });
    expect(refused.hint).toContain("other:latest localhost/hello:latest localhost/hello:two");
    await removeImage(place.context, "other");

    expect((await removeImage(place.context, id.slice(7, 19))).map(({ name }) => name).slice(0, 3)).toEqual([
      "localhost/hello:latest",
      "localhost/hello:two",
      id,
    ]);
    place.verify();
  });

  test("refuses an image that a container was made of, and names the container", async () => {
    await using place = makePlace();
    const image = await pullImage(place.context, "hello");
    addContainer(place.context, "web", image, "exited");

    const error = await failure(removeImage(place.context, "hello"));

    expect(error.message).toMatch(
      /^conflict: unable to remove repository reference "hello" \(must force\) - container \S+ is using its referenced image [0-9a-f]{12}$/,
    );
    expect(error).toMatchObject({ code: "in-use", hint: "remove the container first: proa rm web" });
    expect(listImages(place.context)).toMatchObject([{ containers: 1 }]);
  });

  test("by force takes the names, but leaves the image to its containers; a running one keeps everything", async () => {
    await using place = makePlace();
    const image = await pullImage(place.context, "hello");
    addContainer(place.context, "web", image, "exited");

    expect(await removeImage(place.context, "hello", { isForced: true })).toEqual([
      { kind: "untagged", name: "localhost/hello:latest" },
    ]);
    expect(imageById(place.context, image.id).id).toBe(image.id);
    await tagImage(place.context, image.id, "again");
    addContainer(place.context, "db", image, "running");
    expect((await failure(removeImage(place.context, "again", { isForced: true }))).message).toContain(
      "(cannot be forced) - image is being used by running container",
    );
    place.verify();
  });

  test("leaves files alone while something is being pulled, and the next one removes them", async () => {
    await using place = makePlace();
    const image = await pullImage(place.context, "hello");
    const layer = join(place.context.paths.layers, "overlay");
    const other = place.again();

    await whileKept(other, async () => {
      await removeImage(place.context, "hello");
      expect(readdirSync(layer)).toHaveLength(1);
    });
    expect(lookUpImage(place.context, image.id)).toBeNull();
    await pullImage(place.context, "hello"); // takes up what is still there
    await removeImage(place.context, "hello");

    expect(readdirSync(layer)).toEqual([]);
    place.verify();
  });

  test("says what is not there", async () => {
    await using place = makePlace();
    expect(await failure(removeImage(place.context, "nothing"))).toMatchObject({
      message: "No such image: nothing: image not known",
      exitCode: 1,
    });
  });

  test("drops the blobs of a manifest that lost its name, where another one holds the same layers", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const layer = { file: "the same" };
    const created = { config: { Cmd: ["/x"] } };
    const gzip = registry.addImage(
      "gz",
      "v1",
      await makeImage({ layers: [layer], compression: "gzip", ...created }),
    );
    const zstd = registry.addImage(
      "zs",
      "v1",
      await makeImage({ layers: [layer], compression: "zstd", ...created }),
    );
    const first = await pullImage(place.context, gzip);
    const second = await pullImage(place.context, zstd);
    expect(second.id).toBe(first.id);
    expect(readdirSync(join(place.context.paths.images, "blobs/sha256"))).toHaveLength(5);

    await removeImage(place.context, gzip);

    expect(readdirSync(join(place.context.paths.images, "blobs/sha256"))).toHaveLength(3);
    expect(findImage(place.context, zstd).id).toBe(first.id);
    place.verify();
  });
});

test("inspectImage() has Docker's fields", async () => {
  await using registry = await FakeRegistry.start();
  await using place = makePlace();
  const built = await withBase("one");
  const name = registry.addImage("app", "v1", built);
  const image = await pullImage(place.context, name);

  const document = await inspectImage(place.context, image);

  expect(document).toMatchObject({
    Id: image.id,
    RepoTags: [name],
    RepoDigests: [`${registry.host}/app@${built.top.digest}`],
    Created: "2024-01-02T03:04:05Z",
    Config: { Cmd: ["/x"], Labels: { a: "b" } },
    Os: "linux",
    GraphDriver: { Name: "overlay" },
  });
  expect(document.RootFS.Layers).toHaveLength(2);
  expect(document.Size).toBeGreaterThan(0);
  for (const path of Object.values(document.GraphDriver.Data)) expect(existsSync(path)).toBe(true);
});

test("historyOf() has a line a step, newest first, with the layers' sizes", async () => {
  await using registry = await FakeRegistry.start();
  await using place = makePlace();
  const image = await pullImage(place.context, registry.addImage("app", "v1", await withBase("one")));

  const lines = historyOf(place.context, image);

  expect(lines).toMatchObject([
    { id: image.id, createdBy: "layer 1" },
    { id: "<missing>", createdBy: "layer 0" },
  ]);
  for (const { sizeBytes } of lines) expect(sizeBytes).toBeGreaterThan(0);
});

test("listImages() stays flat: a hundred images in a few milliseconds, without a file", async () => {
  await using place = makePlace();
  const { id } = await pullImage(place.context, "hello");
  const db = place.context.db();
  const fake = (n: number) => `sha256:${String(n).padStart(64, "0")}`;
  db.transaction(() => {
    for (let n = 0; n < 100; n++) {
      db.query(
        "INSERT INTO image SELECT ?, created_ms, size_bytes, os, architecture, variant, labels FROM image WHERE id = ?",
      ).run(fake(n), id);
      db.query("INSERT INTO image_config VALUES (?, ?)").run(fake(n), "x".repeat(10_000));
    }
  })();
  listImages(place.context);
  const start = performance.now();
  expect(listImages(place.context)).toHaveLength(101);
  expect(performance.now() - start).toBeLessThan(50);
});
