import { describe, expect, test } from "bun:test";
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  type Platform,
  parsePlatform,
  runsOn,
} from "../../src/oci";

describe("parsePlatform()", () => {
  test.each([
    ["linux/amd64", "linux/amd64"],
    ["linux/x86_64", "linux/amd64"],
    ["linux/x86-64/v1", "linux/amd64"],
    ["amd64", "linux/amd64"],
    ["aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["arm", "linux/arm/v7"],
    ["linux/arm/6", "linux/arm/v6"],
    ["armhf", "linux/arm/v7"],
    ["armel", "linux/arm/v6"],
    ["Linux/RISCV64", "linux/riscv64"],
    ["windows/amd64", "windows/amd64"],
  ])("reads %s as %s", (text, meant) => {
    expect(formatPlatform(parsePlatform(text))).toBe(meant);
  });

  test("fills an operating system alone up with the host's processor", () => {
    expect(parsePlatform("linux")).toEqual(hostPlatform());
  });

  test.each(["", "linux/", "/amd64", "a/b/c/d", "linux/amd 64", "linux/amd64\n"])("refuses %j", (text) => {
    expect(() => parsePlatform(text)).toThrow("invalid platform");
  });
});

describe("choosePlatform()", () => {
  const choose = (wanted: string, ...have: string[]): string | undefined =>
    choosePlatform(
      have,
      (text): Platform | undefined => (text === "none" ? undefined : parsePlatform(text)),
      parsePlatform(wanted),
    );

  test("takes the exact one, wherever it stands", () => {
    expect(choose("linux/arm64", "linux/amd64", "none", "linux/arm64/v8")).toBe("linux/arm64/v8");
  });

  test("takes the nearest older variant that runs", () => {
    expect(choose("linux/arm/v7", "linux/arm/v5", "linux/arm/v6")).toBe("linux/arm/v6");
    expect(choose("linux/amd64/v3", "linux/amd64", "linux/amd64/v2", "linux/amd64/v4")).toBe(
      "linux/amd64/v2",
    );
  });

  test("never takes a newer variant or another system", () => {
    expect(choose("linux/arm/v6", "linux/arm/v7")).toBeUndefined();
    expect(choose("linux/amd64", "windows/amd64", "linux/386", "linux/amd64/v2")).toBeUndefined();
    expect(choose("linux/amd64", "none")).toBeUndefined();
  });

  test("takes the first of equals", () => {
    const have = [{ n: 1 }, { n: 2 }];
    expect(choosePlatform(have, () => parsePlatform("linux/amd64"), parsePlatform("amd64"))).toEqual({
      n: 1,
    });
  });
});

test("runsOn() knows that arm64 without a variant is v8", () => {
  expect(runsOn(parsePlatform("linux/arm64/v8"), parsePlatform("linux/arm64"))).toBe(true);
});
