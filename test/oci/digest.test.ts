import { expect, test } from "bun:test";
import {
  chainIdOf,
  chainIdsOf,
  Digester,
  digestOf,
  hexOf,
  isDigest,
  parseDigest,
  shortDigest,
  verifyBytes,
} from "../../src/oci";
import { forSeeds } from "./_random";

const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

test("digestOf() gives the digests that the standards give as examples", () => {
  expect(digestOf("")).toBe(empty);
  expect(digestOf("abc", "sha512")).toStartWith("sha512:ddaf35a193617abacc417349ae204131");
});

test("parseDigest() takes sha256 and sha512 of the right length", () => {
  expect(parseDigest(empty)).toBe(empty);
  expect(isDigest(`sha512:${"0".repeat(128)}`)).toBe(true);
});

test.each([
  ["", "a digest is algorithm:hex"],
  ["e3b0c442", "a digest is algorithm:hex"],
  ["md5:d41d8cd98f00b204e9800998ecf8427e", 'unknown algorithm "md5"'],
  ["sha256:abc", "sha256 has 64 hexadecimal digits"],
  [empty.toUpperCase().replace("SHA256", "sha256"), "lower case"],
  [`${empty}0`, "sha256 has 64"],
  [`sha512:${"0".repeat(64)}`, "sha512 has 128"],
  [`__proto__:${"0".repeat(64)}`, "unknown algorithm"],
  [`${empty}\n`, "sha256 has 64"],
])("parseDigest(%j) says: %s", (text, why) => {
  expect(() => parseDigest(text)).toThrow(why);
});

test("hexOf() and shortDigest() cut the algorithm off", () => {
  expect(hexOf(empty)).toHaveLength(64);
  expect(shortDigest(empty)).toBe("e3b0c44298fc");
});

test("verifyBytes() tells which digest came and which was expected", () => {
  verifyBytes("read", Buffer.from(""), empty, 0);
  expect(() => verifyBytes("read", Buffer.from("x"), empty)).toThrow(
    /wrong digest: sha256:2d71.* after 1 bytes, expected sha256:e3b0/,
  );
  expect(() => verifyBytes("read", Buffer.from("x"), empty, 2)).toThrow("1 bytes came, 2 were expected");
});

test("Digester gives the digest of the whole, however it is cut", () => {
  forSeeds(50, (random) => {
    const bytes = Buffer.from(random.text("abcdefgh", 0, 500));
    const digester = new Digester();
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + random.below(100);
      digester.update(bytes.subarray(at, at + length));
      at += length;
    }
    expect(digester.sizeBytes).toBe(bytes.length);
    expect(digester.finish()).toBe(digestOf(bytes));
  });
});

test("chainIdsOf() follows the image spec's recursion", () => {
  const [a, b, c] = [digestOf("a"), digestOf("b"), digestOf("c")];
  expect(chainIdsOf([])).toEqual([]);
  expect(chainIdsOf([a])).toEqual([a]);
  expect(chainIdsOf([a, b, c])).toEqual([
    a,
    digestOf(`${a} ${b}`),
    digestOf(`${digestOf(`${a} ${b}`)} ${c}`),
  ]);
  expect(chainIdOf(undefined, a)).toBe(a);
});
