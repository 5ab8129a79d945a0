import { expect, test } from "bun:test";
import { indexTar, tarEnd, tarHeader, tarPadding } from "../../src/image/_tar";
import { hasTransport, parseTransport } from "../../src/image/transport";
import { tarOf } from "../harness";

test("parseTransport() parts transport, path and name", () => {
  expect(parseTransport("docker-archive:/a/b.tar:host:5000/x:1")).toEqual({
    kind: "docker-archive",
    path: "/a/b.tar",
    reference: "host:5000/x:1",
  });
  expect(parseTransport("oci:layout:v1")).toEqual({ kind: "oci", path: "layout", reference: "v1" });
  expect(parseTransport("oci-archive:a.tar:")).toEqual({
    kind: "oci-archive",
    path: "a.tar",
    reference: undefined,
  });
  expect(parseTransport("dir:/a:b")).toEqual({ kind: "dir", path: "/a:b", reference: undefined });
});

test("parseTransport() leaves a registry's names alone", () => {
  for (const name of ["debian:12", "localhost:5000/oci:1", "host.example/dir/x@sha256:1"]) {
    expect(hasTransport(name)).toBe(false);
    expect(parseTransport(name)).toEqual({ kind: "docker", name });
  }
  expect(parseTransport("docker://debian:12")).toEqual({ kind: "docker", name: "debian:12" });
});

test("parseTransport() refuses other engines' stores with the way around", () => {
  expect(() => parseTransport("docker-daemon:a:b")).toThrow("docker save");
  expect(() => parseTransport("containers-storage:[overlay@/a]b")).toThrow("podman save");
  expect(() => parseTransport("oci:")).toThrow("oci:PATH");
});

const index = (bytes: Uint8Array) => {
  const readAt = (buffer: Uint8Array, position: number) => {
    const piece = bytes.subarray(position, position + buffer.length);
    buffer.set(piece);
    return piece.length;
  };
  return indexTar("test", readAt, bytes.length);
};
const textAt = (bytes: Uint8Array, found: { offset: number; sizeBytes: number } | undefined) =>
  new TextDecoder().decode(
    bytes.subarray(found?.offset ?? 0, (found?.offset ?? 0) + (found?.sizeBytes ?? 0)),
  );

test("indexTar() finds files by plain, long and linked names", async () => {
  const long = `${"directory/".repeat(20)}file`;
  const bytes = await tarOf({
    "./a": "first",
    "b/": "",
    [long]: "far away",
    "b/link": { type: "symlink", target: "../a" },
    hard: { type: "link", target: long },
    out: { type: "symlink", target: "../../etc/passwd" },
  });
  const files = index(bytes);
  expect(textAt(bytes, files.get("a"))).toBe("first");
  expect(textAt(bytes, files.get(long))).toBe("far away");
  expect(textAt(bytes, files.get("b/link"))).toBe("first");
  expect(textAt(bytes, files.get("hard"))).toBe("far away");
  expect(files.has("out")).toBe(false);
});

test("indexTar() reads what tarHeader() writes, sizes beyond 8 GiB too", () => {
  const small = Buffer.concat([tarHeader("one", 3, 0), Buffer.from("abc"), tarPadding(3), tarEnd]);
  expect(textAt(small, index(small).get("one"))).toBe("abc");
  const header = tarHeader("big", 9 * 2 ** 30, 0);
  expect(() => index(Buffer.concat([header, tarEnd]))).toThrow(`truncated: ${9 * 2 ** 30 + 512} bytes`);
});

test("indexTar() never fails but with words of its own, whatever the bytes", async () => {
  const good = await tarOf({
    a: "x".repeat(2000),
    [`${"long/".repeat(60)}b`]: "y",
    c: { type: "symlink", target: "a" },
  });
  let seed = 1;
  const random = (limit: number) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed % limit;
  };
  for (let round = 0; round < 500; round++) {
    const bad = Buffer.from(good);
    for (let count = random(4) + 1; count > 0; count--) {
      const at = random(bad.length);
      bad[at] = random(256);
      // the checksum is mended now and then, so that the rest is reached
      const block = bad.subarray(at - (at % 512), at - (at % 512) + 512);
      block.write("        ", 148);
      block.write(
        `${block
          .reduce((sum, byte) => sum + byte, 0)
          .toString(8)
          .padStart(6, "0")}\0 `,
        148,
      );
    }
    try {
      index(bad.subarray(0, random(2) === 0 ? bad.length : random(bad.length)));
    } catch (error) {
      expect((error as Error).name).toBe("EngineError");
    }
  }
});
