import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { listImages, pullImage, removeImage } from "../../src/image";
import { prepareRootfs, readRootFile } from "../../src/storage";
import { makeImage, makeLayer } from "../harness";
import { FakeRegistry } from "../registry/_fake";
import { makePlace, type Place } from "./_place";

const noise = (bytes: number): Uint8Array => {
  const content = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(content.subarray(at, at + 65_536));
  return content;
};

const script = (name: string): string => join(import.meta.dir, name);

function spawn(place: Place, file: string, ...args: string[]) {
  return Bun.spawn([process.execPath, script(file), ...args], {
    stdio: ["ignore", "inherit", "pipe"],
    env: { ...place.context.env },
  });
}

describe("the store", () => {
  test("is whole and usable after a pull was killed, whenever that was", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const layers = [{ a: noise(300_000) }, { b: noise(200_000) }, { c: "c" }];
    const name = registry.addImage("app", "v1", await makeImage({ layers }));
    const env = JSON.stringify(place.context.env);

    for (let round = 0; round < 12; round++) {
      const child = spawn(place, "_pull-process.ts", name, env);
      await Bun.sleep(20 + round * 15); // from before the first request to after the last rename
      child.kill("SIGKILL");
      await child.exited;
    }
    const image = await pullImage(place.context, name);

    expect(await readRootFile(place.context, { kind: "image", image }, "/c")).toBe("c");
    place.verify();
    await removeImage(place.context, name);
    expect(readdirSync(join(place.context.paths.layers, "overlay"))).toEqual([]);
    expect(readdirSync(join(place.context.paths.images, "blobs/sha256"))).toEqual([]);
  });

  test("stays whole while several processes pull and remove images that share layers", async () => {
    await using registry = await FakeRegistry.start();
    await using place = makePlace();
    const base = await makeLayer({ base: noise(100_000) });
    const middle = await makeLayer({ middle: "m" });
    const images = [[base], [base, middle], [base, middle, { top: "t" }]];
    const names = await Promise.all(
      images.map(async (layers, at) => registry.addImage("app", `v${at}`, await makeImage({ layers }))),
    );

    const env = JSON.stringify(place.context.env);
    const children = [1, 2, 3].map(() => spawn(place, "_rounds-process.ts", env, "12", ...names));
    const results = await Promise.all(
      children.map(async (child) => ({ text: await child.stderr.text(), status: await child.exited })),
    );

    expect(results).toEqual(results.map(() => ({ text: "", status: 0 })));
    for (const name of names) {
      const image = await pullImage(place.context, name);
      expect(await readRootFile(place.context, { kind: "image", image }, "/base")).not.toBeNull();
    }
    place.verify();
    for (const name of names) await removeImage(place.context, name);
    expect(readdirSync(join(place.context.paths.images, "blobs/sha256"))).toEqual([]);
    place.verify();
  });
});

/** A file system of some kilobytes, made in a user namespace in which PULL runs as root with further ids. */
function pullOnSmallDisk(place: Place, kilobytes: number, name: string) {
  const data = place.context.env["XDG_DATA_HOME"] ?? "";
  const ids = join(data, "..", "ids");
  const inside = `
    set -e
    echo root:1:60000 >"$IDS"
    mount --bind "$IDS" /etc/subuid
    mount --bind "$IDS" /etc/subgid
    mkdir -p "$DATA"
    mount -t tmpfs -o size=${kilobytes}k,mode=711 tmpfs "$DATA"
    "$@" || true
    cd "$DATA/proa"
    find images/blobs images/ingest layers -mindepth 2`;
  return Bun.spawnSync(
    [
      "unshare",
      "-U",
      "--map-root-user",
      "--map-auto",
      "-m",
      "sh",
      "-c",
      inside,
      "sh",
      process.execPath,
      script("_pull-process.ts"),
      name,
      JSON.stringify(place.context.env),
    ],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, IDS: ids, DATA: data } },
  );
}

const canMapIds = Bun.spawnSync(["unshare", "-U", "--map-root-user", "--map-auto", "true"]).exitCode === 0;

describe.skipIf(!canMapIds)("a full disk (needs unshare --map-auto)", () => {
  test.each([700, 1400, 2600])(
    "of %d KiB ends the pull with a clear error and leaves nothing behind",
    async (kilobytes) => {
      const files = { a: noise(1_000_000), b: noise(1_000_000) };
      const built = await makeImage({ layers: [files] });
      const server = await startServer(built);
      await using place = makePlace();
      const { stdout, stderr } = pullOnSmallDisk(place, kilobytes, server.name);
      server.stop();

      expect(stderr.toString()).toContain("no space left on device");
      expect(
        stdout
          .toString()
          .split("\n")
          .filter((line) => line !== "" && !line.endsWith("/overlay")),
      ).toEqual([]);
      expect(existsSync(place.context.paths.images)).toBe(false); // all of it was inside
    },
  );

  test("refuses a bomb before it is full: a layer of more than is free, whose blob is small", async () => {
    const files = Array.from({ length: 64 }, (_, at) => [`zeros${at}`, new Uint8Array(1 << 20)]);
    const built = await makeImage({ layers: [Object.fromEntries(files)] });
    const server = await startServer(built);
    await using place = makePlace();
    const { stdout, stderr } = pullOnSmallDisk(place, 24_000, server.name);
    server.stop();

    expect(stderr.toString()).toMatch(/it holds more than the \d+ bytes that are free/);
    expect(
      stdout
        .toString()
        .split("\n")
        .filter((line) => line !== "" && !line.endsWith("/overlay")),
    ).toEqual([]);
  });
});

/** The registry in a process of its own: the test's own waits for the pull. */
async function startServer(
  image: Awaited<ReturnType<typeof makeImage>>,
): Promise<{ name: string; stop(): void }> {
  const child = Bun.spawn([process.execPath, script("_registry-process.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.write(
    JSON.stringify(
      [...image.blobs, image.top].map((blob) => ({
        ...blob,
        bytes: Buffer.from(blob.bytes).toString("base64"),
      })),
    ),
  );
  await child.stdin.end();
  const { value } = await child.stdout.getReader().read();
  return { name: new TextDecoder().decode(value).trim(), stop: () => child.kill() };
}

test("an image of a driver that was used before is there for another, containers included", async () => {
  await using registry = await FakeRegistry.start();
  await using place = makePlace("vfs");
  const name = registry.addImage("app", "v1", await makeImage({ layers: [{ file: "x" }, { other: "y" }] }));
  const image = await pullImage(place.context, name);
  const overlay = place.again("overlay");

  const rootfs = await prepareRootfs(overlay, { kind: "image", image }, place.context.paths.data);

  expect(rootfs).toMatchObject({ driver: "overlay" });
  expect(listImages(overlay)).toHaveLength(1);
  place.verify();
});
