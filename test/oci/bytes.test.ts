import { expect, test } from "bun:test";
import { parseBytes } from "../../src/oci";

test.each([
  ["512", 512],
  ["64m", 64 << 20],
  ["64M", 64 << 20],
  ["1.5k", 1536],
  ["1GiB", 1 << 30],
  ["2kb", 2048],
])("parseBytes(%p) is %p", (text, bytes) => {
  expect(parseBytes("size", text)).toBe(bytes);
});

test.each(["", "m", "-1", "1x", "1 2", "9999999999t", "NaN"])("parseBytes(%p) is refused", (text) => {
  expect(() => parseBytes("size", text)).toThrow("expected a size");
});
