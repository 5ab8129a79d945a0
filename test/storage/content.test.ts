import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../../src/oci";
import {
  BlobWriter,
  blobPath,
  ensureLayout,
  hasBlob,
  projectIndex,
  readBlob,
  writeBlob,
} from "../../src/storage";
import { makePlace } from "../image/_place";

const bytes = Buffer.from("some content");
const digest = digestOf(bytes);

describe("BlobWriter", () => {
  test("shows a blob when it is whole, not before", async () => {
    await using place = makePlace();
    ensureLayout(place.context);
    const writer = new BlobWriter(place.context, digest, bytes.length);
    writer.write(bytes.subarray(0, 4));
    writer.write(bytes.subarray(4));
    expect(hasBlob(place.context, digest)).toBe(false);

    await writer.finish();
    writer.close();

    expect(readFileSync(blobPath(place.context, digest)).equals(bytes)).toBe(true);
    place.verify();
  });

  test("leaves nothing when it is closed early", async () => {
    await using place = makePlace();
    ensureLayout(place.context);
    const writer = new BlobWriter(place.context, digest, undefined);
    writer.write(bytes);
    writer.close();
    writer.close();
    expect(hasBlob(place.context, digest)).toBe(false);
    place.verify();
  });

  test("refuses too much at once, too little at the end, and the wrong bytes", async () => {
    await using place = makePlace();
    ensureLayout(place.context);
    const cases: [number | undefined, string, string][] = [
      [3, "four", "more than the 3 bytes that were announced"],
      [5, "four", "4 bytes came, 5 were expected"],
      [undefined, "four", `wrong digest: ${digestOf("four")} after 4 bytes, expected ${digest}`],
    ];
    for (const [size, content, why] of cases) {
      const writer = new BlobWriter(place.context, digest, size);
      const write = async () => {
        writer.write(Buffer.from(content));
        await writer.finish();
      };
      await expect(write()).rejects.toThrow(why);
      writer.close();
    }
    place.verify();
  });

  test("takes sha512", async () => {
    await using place = makePlace();
    ensureLayout(place.context);
    const long = digestOf(bytes, "sha512");
    expect(writeBlob(place.context, bytes, { digest: long })).toBe(long);
    expect(Buffer.from(readBlob(place.context, long)).equals(bytes)).toBe(true);
  });
});

test("writeBlob() writes once, and again where a power cut has left less", async () => {
  await using place = makePlace();
  ensureLayout(place.context);
  writeBlob(place.context, bytes);
  truncateSync(blobPath(place.context, digest), 3);

  expect(hasBlob(place.context, digest, bytes.length)).toBe(false);
  writeBlob(place.context, bytes);

  place.verify();
});

test("readBlob() refuses what is no longer what it was", async () => {
  await using place = makePlace();
  ensureLayout(place.context);
  writeBlob(place.context, bytes);
  writeFileSync(blobPath(place.context, digest), "other");
  expect(() => readBlob(place.context, digest)).toThrow("wrong digest");
  expect(() => readBlob(place.context, digestOf("nothing"))).toThrow("no such file or directory");
});

test("projectIndex() at once by many leaves one whole file", async () => {
  await using place = makePlace();
  await Promise.all(Array.from({ length: 20 }, () => projectIndex(place.again())));
  const { images } = place.context.paths;
  expect(JSON.parse(readFileSync(join(images, "index.json"), "utf8"))).toMatchObject({ manifests: [] });
  expect(readdirSync(images).filter((name) => /^index\.json\..*\d/.test(name))).toEqual([]);
  expect(existsSync(join(images, "oci-layout"))).toBe(true);
});
