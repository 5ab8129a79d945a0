import { expect, test } from "bun:test";
import { randomId } from "../../src/container/name";

test("randomId() gives 64 hexadecimal digits whose first 12 are no number to a resolver", () => {
  expect(randomId()).toMatch(/^[0-9a-f]{64}$/);
  const drawn = ["141948484814", "000000000000", "14e948484814", "12345678901a"].map((head) =>
    Uint8Array.fromHex(head.padEnd(64, "0")),
  );
  expect(randomId(() => drawn.shift() as Uint8Array)).toStartWith("12345678901a");
  expect(drawn).toEqual([]);
});
