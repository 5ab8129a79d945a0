import { describe, expect, test } from "bun:test";
import { checkTmpfsOptions, checkVolumeName, cleanTarget, parseBind, readMountWords } from "../../src/oci";

describe("parseBind()", () => {
  test("takes paths and names apart, and cleans the target", () => {
    expect(parseBind("/a:/b//c/../d:ro,Z")).toEqual({ source: "/a", target: "/b/d", words: "ro,Z" });
    expect(parseBind("data:/d")).toEqual({ source: "data", target: "/d", words: "" });
  });

  test.each([
    "/a",
    "/a:b",
    ":/b",
    "/a:/b:ro:x",
    "/a:/b:fly",
    "/a:/b:ro,rw",
    "/a:/b:upperdir=/x",
    "/a:/",
    "/a:ro",
  ])("%p is refused", (bind) => {
    expect(() => parseBind(bind)).toThrow(/^(volume|mount): /);
  });
});

describe("readMountWords()", () => {
  test("keeps what has an effect", () => {
    expect(readMountWords("ro,Z,rslave,nosuid,U,cached", "x")).toEqual({
      readonly: true,
      propagation: "rslave",
      options: ["nosuid", "U"],
    });
    expect(readMountWords("O,upperdir=/u,workdir=/w", "x").options).toEqual([
      "O",
      "upperdir=/u",
      "workdir=/w",
    ]);
  });

  test.each(["ro,ro", "z,Z", "shared,rslave", "nocopy,copy", "nosuid,suid", "size=1", "ro=1"])(
    "%p is refused",
    (words) => {
      expect(() => readMountWords(words, "x")).toThrow("volume: x: ");
    },
  );
});

test.each([
  ["/a/./b//", "/a/b"],
  ["/../a", "/a"],
])("cleanTarget(%p) is %p", (path, clean) => {
  expect(cleanTarget(path)).toBe(clean);
});

test.each(["", "a", "/", "/a/..", "/."])("cleanTarget(%p) is refused", (path) => {
  expect(() => cleanTarget(path)).toThrow("mount: ");
});

test.each(["a", "a.b-c_d", "0", "A".repeat(255)])("checkVolumeName() takes %p", (name) => {
  expect(() => checkVolumeName(name)).not.toThrow();
});

test.each(["", ".a", "-a", "_a", "a/b", "a b", "ä", "a:b", "A".repeat(256)])(
  "checkVolumeName() refuses %p",
  (name) => {
    expect(() => checkVolumeName(name)).toThrow("volume: ");
  },
);

test("checkTmpfsOptions() takes what mount(8) does, and nothing else", () => {
  expect(checkTmpfsOptions("size=1m,mode=1777,exec,uid=5", "/t")).toEqual([
    "size=1m",
    "mode=1777",
    "exec",
    "uid=5",
  ]);
  for (const options of ["size=big", "mode=9", "bind", "lowerdir=/"])
    expect(() => checkTmpfsOptions(options, "/t")).toThrow("tmpfs: ");
});
