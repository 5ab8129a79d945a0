import { expect, test } from "bun:test";
import { refuseNonUtf8 } from "../../src/cli/_utf8";

const cmdline = (...words: (string | Uint8Array)[]) =>
  Buffer.concat(
    words.flatMap((word) => [typeof word === "string" ? Buffer.from(word) : word, Buffer.from([0])]),
  );

test("refuseNonUtf8() names the argument that is not UTF-8", () => {
  const bytes = cmdline("proa", "run", Buffer.from([0x61, 0xff]));
  expect(() => refuseNonUtf8(["run", "a\uFFFD"], bytes)).toThrow(
    "read arguments: argument 2: not valid UTF-8",
  );
});

test("refuseNonUtf8() lets a replacement character pass that was typed", () => {
  expect(() => refuseNonUtf8(["run", "a\uFFFD"], cmdline("proa", "run", "a\uFFFD"))).not.toThrow();
});
