import { expect, test } from "bun:test";
import { resolveUser } from "../../src/oci";

const passwd =
  "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/var/www:/bin/false\nbroken\nhuge:x:4294967295:0::/:\n";
const group = "root:x:0:\nwww:x:33:\nadm:x:4:root,www\ncdrom:x:24:www\n";

const resolve = (user: string, add: string[] = []) => resolveUser(user, passwd, group, add);

test("resolveUser() takes root with its groups when nothing is asked", () => {
  expect(resolve("")).toEqual({ uid: 0, gid: 0, additionalGids: [4], home: "/root" });
});

test("resolveUser() finds a name with its group, further groups and home", () => {
  expect(resolve("www")).toEqual({ uid: 33, gid: 33, additionalGids: [4, 24], home: "/var/www" });
});

test("resolveUser() drops the further groups when a group is given", () => {
  expect(resolve("www:cdrom")).toEqual({ uid: 33, gid: 24, additionalGids: [], home: "/var/www" });
});

test("resolveUser() takes numbers that are in no file, with the group 0", () => {
  expect(resolve("1234")).toEqual({ uid: 1234, gid: 0, additionalGids: [], home: "/" });
  expect(resolve("1234:77")).toEqual({ uid: 1234, gid: 77, additionalGids: [], home: "/" });
});

test("resolveUser() refuses names that are in no file", () => {
  expect(() => resolve("nobody")).toThrow("find user: nobody: no such user");
  expect(() => resolve("www:nogroup")).toThrow("find group: www:nogroup: no such group");
});

test("resolveUser() passes over lines with ids that the kernel does not have", () => {
  expect(() => resolve("huge")).toThrow("no such user");
  expect(() => resolve("4294967295")).toThrow("no such user");
});

test("resolveUser() adds groups by name and number, once", () => {
  expect(resolve("www", ["cdrom", "1000", "33"]).additionalGids).toEqual([4, 24, 1000]);
});

test("resolveUser() works without any file", () => {
  expect(resolveUser("", "", "", [])).toEqual({ uid: 0, gid: 0, additionalGids: [], home: "/root" });
});
