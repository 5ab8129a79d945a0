import { expect, test } from "bun:test";
import { kindOf } from "../../src/volume";

test("kindOf() reads what a volume is", () => {
  expect(kindOf({})).toEqual({ kind: "directory", options: [] });
  expect(kindOf({ type: "tmpfs", device: "tmpfs", o: "size=1m,mode=700,noexec" })).toEqual({
    kind: "tmpfs",
    options: ["size=1m", "mode=700", "noexec"],
  });
  for (const options of [
    { type: "none", o: "bind,ro", device: "/a" },
    { o: "bind,ro", device: "/a" },
    { type: "bind", o: "ro", device: "/a" },
  ])
    expect(kindOf(options)).toEqual({ kind: "bind", source: "/a", options: ["ro"] });
  expect(kindOf({ o: "uid=5,gid=6,nosuid" })).toEqual({ kind: "directory", options: ["nosuid"] });
});

test.each([
  [{ type: "nfs", o: "addr=1.2.3.4,rw", device: ":/x" }, "mounting nfs needs root"],
  [{ type: "cifs", device: "//a/b" }, "mounting cifs needs root"],
  [{ type: "ext4", device: "/dev/sda" }, "only tmpfs and bind"],
  [{ size: "1g" }, "project quota"],
  [{ type: "tmpfs", o: "addr=1" }, "unknown"],
  [{ o: "bind" }, "a device is missing"],
  [{ o: "bind", device: "a" }, "not absolute"],
  [{ fly: "1" }, "unknown"],
  [{ device: "/a" }, "o=bind or a type is missing"],
] as const)("kindOf(%j) is refused: %s", (options, why) => {
  expect(() => kindOf(options as Record<string, string>)).toThrow(why);
});
