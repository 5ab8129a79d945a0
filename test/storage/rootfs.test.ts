import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { embeddedImage } from "../../src/image";
import type { Context } from "../../src/state";
import { prepareRootfs, selectDriver } from "../../src/storage";
import { makePlace, type Place } from "../image/_place";

function containerDir(context: Context, id: string): string {
  const path = join(context.paths.containers, id);
  mkdirSync(path, { recursive: true });
  return path;
}

async function hello(place: Place, context = place.context) {
  const image = await embeddedImage(context, "hello");
  if (image === null) throw new Error("no embedded image");
  return { kind: "image" as const, image };
}

describe("prepareRootfs()", () => {
  test("gives overlay the layers and directories to write to", async () => {
    await using place = makePlace("overlay");
    const directory = containerDir(place.context, "a");

    const rootfs = await prepareRootfs(place.context, await hello(place), directory, { volatile: true });

    if (rootfs.driver !== "overlay" || !("upper" in rootfs)) throw new Error(rootfs.driver);
    expect(rootfs.lower).toHaveLength(1);
    expect(existsSync(join(rootfs.lower[0] ?? "", "hello"))).toBe(true);
    expect(rootfs).toMatchObject({
      volatile: true,
      upper: join(directory, "upper"),
      work: join(directory, "work"),
    });
    expect(statSync(rootfs.upper).mode & 0o7777).toBe(statSync(rootfs.lower[0] ?? "").mode & 0o7777);
    place.verify();
  });

  test("finds what was written when it is called again", async () => {
    await using place = makePlace("overlay");
    const directory = containerDir(place.context, "a");
    const source = await hello(place);
    await prepareRootfs(place.context, source, directory);
    writeFileSync(join(directory, "upper", "kept"), "x");
    await prepareRootfs(place.context, source, directory);
    expect(readFileSync(join(directory, "upper", "kept"), "utf8")).toBe("x");
  });

  test("puts the writable layer of a directory that holds it on a tmpfs", async () => {
    await using place = makePlace("overlay");
    const directory = containerDir(place.context, "a");
    const { data } = place.context.paths;
    expect(await prepareRootfs(place.context, { kind: "directory", path: data }, directory)).toEqual({
      driver: "overlay",
      lower: [data],
      tmpfs: true,
    });
    expect(
      await prepareRootfs(place.context, { kind: "directory", path: import.meta.dir }, directory),
    ).toMatchObject({
      lower: [import.meta.dir],
      upper: join(directory, "upper"),
    });
  });

  test("puts the writable layer of a directory with mounts in it on a tmpfs", async () => {
    await using place = makePlace("overlay");
    const rootfs = await prepareRootfs(
      place.context,
      { kind: "directory", path: "/" },
      containerDir(place.context, "a"),
    );
    expect(rootfs).toEqual({ driver: "overlay", lower: ["/"], tmpfs: true });
  });

  test("refuses a root that is no directory", async () => {
    await using place = makePlace("overlay");
    const directory = containerDir(place.context, "a");
    const prepare = (path: string) => prepareRootfs(place.context, { kind: "directory", path }, directory);
    expect(prepare("/no/such")).rejects.toThrow("use root file system: /no/such: no such file or directory");
    expect(prepare("/etc/passwd")).rejects.toThrow("not a directory");
  });

  test("copies the image for vfs, once", async () => {
    await using place = makePlace("vfs");
    const directory = containerDir(place.context, "a");
    const source = await hello(place);

    const rootfs = await prepareRootfs(place.context, source, directory);

    if (rootfs.driver !== "plain") throw new Error(rootfs.driver);
    expect(existsSync(join(rootfs.path, "hello"))).toBe(true);
    writeFileSync(join(rootfs.path, "kept"), "x");
    await prepareRootfs(place.context, source, directory);
    expect(existsSync(join(rootfs.path, "kept"))).toBe(true);
    place.verify();
  });

  test("does not copy a whole directory of the host", async () => {
    await using place = makePlace("vfs");
    const prepared = prepareRootfs(
      place.context,
      { kind: "directory", path: "/" },
      containerDir(place.context, "a"),
    );
    expect(prepared).rejects.toThrow("the vfs driver would copy all of it");
  });
});

describe("selectDriver()", () => {
  test("remembers what it has tried", async () => {
    await using place = makePlace();
    const { driver } = await selectDriver(place.context);
    const file = join(place.context.paths.cache, "storage-driver.json");
    const before = statSync(file).mtimeMs;
    expect((await selectDriver(place.again())).driver.name).toBe(driver.name);
    expect(statSync(file).mtimeMs).toBe(before);
  });

  test("tries again where the answer is of another boot, or broken", async () => {
    await using place = makePlace();
    await selectDriver(place.context);
    const file = join(place.context.paths.cache, "storage-driver.json");
    const good = readFileSync(file, "utf8");
    for (const bad of ["", "{}", good.replace(/"key":"[^"]*/, '"key":"old')]) {
      writeFileSync(file, bad);
      await selectDriver(place.again());
      expect(readFileSync(file, "utf8")).toBe(good);
    }
  });

  test("takes the configured one, and no other name", async () => {
    await using place = makePlace("fuse-overlayfs");
    expect((await selectDriver(place.context)).driver.name).toBe("fuse-overlayfs");
    expect(selectDriver(place.again("toString"))).rejects.toThrow(
      "choose storage driver: toString: no such driver",
    );
  });
});
