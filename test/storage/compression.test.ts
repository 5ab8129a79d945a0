import { expect, test } from "bun:test";
import { compressStream, zstdVersion } from "../../src/storage";

async function through(
  kind: "gzip" | "zstd",
  level: number | undefined,
  input: Uint8Array,
): Promise<Uint8Array> {
  const stream = await compressStream(kind, level);
  const chunks: Uint8Array[] = [];
  stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.on("end", resolve).on("error", reject);
  for (let at = 0; at < input.length; at += 10_000) stream.write(input.subarray(at, at + 10_000));
  stream.end();
  await promise;
  return Buffer.concat(chunks);
}

const text = Buffer.from("a layer that repeats itself. ".repeat(10_000));

test("compressStream() makes what the usual tools read", async () => {
  const gzip = await through("gzip", undefined, text);
  expect(Buffer.from(Bun.gunzipSync(new Uint8Array(gzip))).equals(text)).toBe(true);
  const zstd = await through("zstd", 19, text);
  expect(Bun.zstdDecompressSync(new Uint8Array(zstd)).equals(text)).toBe(true);
  expect(zstd.length).toBeLessThan(text.length / 100);
});

test("compressStream() refuses levels that the format does not have", async () => {
  expect(compressStream("gzip", 10)).rejects.toThrow("compress: gzip level 10: the levels are 1 to 9");
  expect(compressStream("zstd", 0)).rejects.toThrow("the levels are 1 to 22");
  expect(compressStream("zstd", 1.5)).rejects.toThrow("zstd level 1.5");
});

test("zstdVersion() is the library's", async () => {
  expect(await zstdVersion()).toMatch(/^1\.\d+\.\d+$/);
});
