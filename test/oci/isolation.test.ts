import { expect, test } from "bun:test";
import {
  appliedPaths,
  cdiName,
  hasWritableCgroups,
  isCdiDevice,
  parseNamespace,
  parseUserNamespace,
  protectedPaths,
} from "../../src/oci";

const NONE = { MaskedPaths: null, ReadonlyPaths: null };

test("parseNamespace() knows docker's and podman's words, and only ipc is shareable or none", () => {
  for (const kind of ["pid", "ipc", "uts", "cgroup"] as const) {
    expect(parseNamespace(kind, "")).toEqual({ kind: "own" });
    expect(parseNamespace(kind, "private")).toEqual({ kind: "own" });
    expect(parseNamespace(kind, "host")).toEqual({ kind: "host" });
    expect(parseNamespace(kind, "container:a")).toEqual({ kind: "container", reference: "a" });
    expect(parseNamespace(kind, "ns:/proc/1/ns/pid")).toEqual({ kind: "ns", path: "/proc/1/ns/pid" });
    for (const text of ["host:", "container", "container:", "ns:", "ns:relative", "x", "private:x"])
      expect(() => parseNamespace(kind, text)).toThrow("mode");
  }
  expect(parseNamespace("ipc", "shareable")).toEqual({ kind: "own" });
  expect(parseNamespace("ipc", "none")).toEqual({ kind: "none" });
  expect(() => parseNamespace("pid", "none")).toThrow("--pid: invalid PID mode");
  expect(() => parseNamespace("cgroup", "shareable")).toThrow("--cgroupns: invalid CGROUP mode");
});

test("parseUserNamespace() reads podman's options", () => {
  expect(parseUserNamespace("host")).toEqual({ kind: "usual" });
  expect(parseUserNamespace("keep-id:uid=5,gid=6,size=70")).toEqual({
    kind: "keep-id",
    uid: 5,
    gid: 6,
    size: 70,
  });
  expect(parseUserNamespace("keep-id")).toEqual({
    kind: "keep-id",
    uid: undefined,
    gid: undefined,
    size: undefined,
  });
  expect(parseUserNamespace("auto:size=9,uidmapping=0:1:2,uidmapping=5:6:7")).toEqual({
    kind: "auto",
    size: 9,
    uid: ["0:1:2", "5:6:7"],
    gid: [],
  });
  expect(parseUserNamespace("nomap")).toEqual({ kind: "nomap" });
  for (const text of [
    "host:x",
    "nomap:x",
    "container:",
    "ns:relative",
    "keep-id:uid=-1",
    "keep-id:uid=4294967295",
    "what",
  ])
    expect(() => parseUserNamespace(text)).toThrow("--userns");
});

test("protectedPaths() is null where nothing is said: the usual ones, or none when privileged", () => {
  expect(protectedPaths(["no-new-privileges"], false)).toEqual(NONE);
  expect(appliedPaths(NONE, true)).toEqual({ masked: [], readonly: [] });
  expect(appliedPaths(NONE, false).masked).toContain("/proc/kcore");
  expect(appliedPaths(NONE, false).readonly).toContain("/proc/sys");
});

test("protectedPaths() takes paths and patterns out, and hides more", () => {
  const { MaskedPaths, ReadonlyPaths } = protectedPaths(["unmask=/proc/k*:/proc/sys", "mask=/a:/b"], false);
  expect(MaskedPaths).not.toContain("/proc/kcore");
  expect(MaskedPaths).toContain("/proc/scsi");
  expect(MaskedPaths?.slice(-2)).toEqual(["/a", "/b"]);
  expect(ReadonlyPaths).not.toContain("/proc/sys");
  expect(protectedPaths(["unmask=all"], false)).toEqual({ MaskedPaths: [], ReadonlyPaths: [] });
  expect(protectedPaths(["systempaths=unconfined", "mask=/a"], true)).toEqual({
    MaskedPaths: ["/a"],
    ReadonlyPaths: [],
  });
  expect(() => protectedPaths(["mask=a"], false)).toThrow("expected mask=/PATH");
});

test("hasWritableCgroups(): the last word counts", () => {
  expect(hasWritableCgroups([])).toBe(false);
  expect(hasWritableCgroups(["writable-cgroups"])).toBe(true);
  expect(hasWritableCgroups(["writable-cgroups=true", "writable-cgroups=false"])).toBe(false);
  expect(hasWritableCgroups(["unmask=/proc/sys:/sys/fs/cgroup"])).toBe(true);
  expect(hasWritableCgroups(["unmask=/proc/sys"])).toBe(false);
});

test("isCdiDevice() tells names of devices from paths", () => {
  for (const text of ["nvidia.com/gpu=all", "vendor.com/class=0", "v/c=d:1.x"])
    expect(isCdiDevice(text)).toBe(true);
  for (const text of ["/dev/fuse", "/dev/a=b", "vendor.com/class", "vendor.com/class=", "=x", "a=b"])
    expect(isCdiDevice(text)).toBe(false);
  expect(cdiName("vendor.com/class=one")).toEqual({ kind: "vendor.com/class", device: "one" });
});
