import { describe, expect, test } from "bun:test";
import { barePath, cleanPath, nameOfPath, parentOfPath } from "../../src/container/copy-rules";

describe("paths of a copy", () => {
  test.each([
    ["a", "/a"],
    ["/a//b/", "/a/b/"],
    ["/a/b/.", "/a/b/."],
    ["/a/./b/..", "/a"],
    ["/../..", "/"],
    ["", "/"],
    ["/", "/"],
    ["/.", "/"],
    [".", "/"],
    ["/a/../.", "/"],
    ["/a.", "/a."],
  ])("cleanPath(%p) is %p", (path, clean) => {
    expect(cleanPath(path)).toBe(clean);
  });

  test.each([
    ["/a/b", "/a/b", "/a", "b"],
    ["/a/b/", "/a/b", "/a", "b"],
    ["/a/b/.", "/a/b", "/a", "b"],
    ["/a", "/a", "/", "a"],
    ["/", "/", "/", ""],
  ])("%p is %p: in %p, called %p", (path, bare, parent, name) => {
    expect([barePath(path), parentOfPath(path), nameOfPath(path)]).toEqual([bare, parent, name]);
  });
});
