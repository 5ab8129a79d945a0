import { describe, expect, test } from "bun:test";
import { parseRestartPolicy, restartPolicyText } from "../../src/oci";

describe("parseRestartPolicy()", () => {
  for (const [text, Name, MaximumRetryCount] of [
    ["", "no", 0],
    ["no", "no", 0],
    ["never", "no", 0],
    ["always", "always", 0],
    ["always:0", "always", 0],
    ["unless-stopped", "unless-stopped", 0],
    ["on-failure", "on-failure", 0],
    ["on-failure:0", "on-failure", 0],
    ["on-failure:12", "on-failure", 12],
  ] as const) {
    test(`reads "${text}"`, () => {
      expect(parseRestartPolicy(text)).toEqual({ Name, MaximumRetryCount });
    });
  }

  for (const text of [
    ":",
    ":1",
    "always:1",
    "on-failure:",
    "on-failure:-1",
    "on-failure:1:2",
    "Always",
    "on-failure:1e3",
  ]) {
    test(`refuses "${text}"`, () => {
      expect(() => parseRestartPolicy(text)).toThrow("restart policy");
    });
  }

  test("restartPolicyText() is what can be typed", () => {
    for (const text of ["no", "always", "on-failure", "on-failure:3"])
      expect(restartPolicyText(parseRestartPolicy(text))).toBe(text);
  });
});
