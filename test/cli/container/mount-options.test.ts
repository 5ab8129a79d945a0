/** Reading `--mount`. */
import { describe, expect, test } from "bun:test";
import { parseMount, splitCsv } from "../../../src/cli/container/_mount-flag";

const plain = { Target: "/t" };

test.each([
  ["a,b", ["a", "b"]],
  ['"a,b",c', ["a,b", "c"]],
  ['"a""b"', ['a"b']],
  ["", [""]],
  ["a,", ["a", ""]],
] as const)("splitCsv(%p)", (line, fields) => {
  expect(splitCsv(line)).toEqual([...fields]);
});

test("splitCsv() refuses a quote that does not end", () => {
  expect(() => splitCsv('"a,b')).toThrow("mount: ");
  expect(() => splitCsv('"a"b')).toThrow("mount: ");
});

describe("parseMount()", () => {
  test("bind with docker's keys", () => {
    const text = "type=bind,src=/a,dst=/t,readonly,bind-propagation=rslave,bind-recursive=writable";
    expect(parseMount(text)).toEqual({
      Type: "bind",
      Source: "/a",
      Target: "/t",
      ReadOnly: true,
      BindOptions: { Propagation: "rslave", ReadOnlyNonRecursive: true },
    });
    expect(
      parseMount("type=bind,source=/a,target=/t,bind-recursive=disabled,bind-create-src").BindOptions,
    ).toEqual({
      NonRecursive: true,
      CreateMountpoint: true,
    });
  });

  test("volume is the type that is not said", () => {
    expect(parseMount("src=data,dst=/t")).toEqual({ ...plain, Type: "volume", Source: "data" });
    expect(parseMount("dst=/t,volume-nocopy,volume-subpath=a/b,volume-label=k=v").VolumeOptions).toEqual({
      NoCopy: true,
      Subpath: "a/b",
      Labels: { k: "v" },
    });
    expect(
      parseMount('dst=/t,volume-driver=local,volume-opt=type=tmpfs,"volume-opt=o=size=1m,mode=700"')
        .VolumeOptions,
    ).toEqual({ DriverConfig: { Name: "local", Options: { type: "tmpfs", o: "size=1m,mode=700" } } });
  });

  test("tmpfs and image", () => {
    expect(parseMount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770")).toEqual({
      ...plain,
      Type: "tmpfs",
      TmpfsOptions: { SizeBytes: 1 << 20, Mode: 0o1770 },
    });
    expect(parseMount("type=image,src=tiny,dst=/t,subpath=/etc").ImageOptions).toEqual({ Subpath: "etc" });
    expect(parseMount("src=v,dst=/t,subpath=//a/b").VolumeOptions).toEqual({ Subpath: "a/b" });
    expect(parseMount("type=image,src=tiny,dst=/t,image-subpath=etc")).toEqual({
      ...plain,
      Type: "image",
      Source: "tiny",
      ImageOptions: { Subpath: "etc" },
    });
    expect(parseMount("type=image,src=tiny,dst=/t,rw=true").Options).toEqual(["rw"]);
  });

  test("readonly and podman's flags take true and false", () => {
    expect(parseMount("type=bind,src=/a,dst=/t,ro=false").ReadOnly).toBeUndefined();
    expect(parseMount("type=bind,src=/a,dst=/t,rw=false").ReadOnly).toBe(true);
    expect(parseMount("type=bind,src=/a,dst=/t,U=true,idmap,relabel=shared").Options).toEqual(["U", "idmap"]);
    expect(parseMount("type=bind,src=/a,dst=/t,chown=true").Options).toEqual(["U"]);
  });

  test("a source that begins with . is in the current directory", () => {
    expect(parseMount("type=bind,src=./a,dst=/t").Source).toBe(`${process.cwd()}/a`);
  });

  test.each([
    ["type=bind,dst=/t", "a source is missing"],
    ["type=bind,src=/a", "a target is missing"],
    ["type=bind,src=a,dst=/t", "is not a path"],
    ["type=tmpfs,src=/a,dst=/t", "a tmpfs has no source"],
    ["type=tmpfs,dst=/t,bind-propagation=slave", "is of bind"],
    ["type=bind,src=/a,dst=/t,volume-nocopy", "is of volume"],
    ["type=bind,src=/a,dst=/t,fly=1", 'unknown key "fly"'],
    ["type=bind,src=/a,dst=/t,readonly=perhaps", "is true or false"],
    ["type=bind,src=/a,dst=/t,bind-propagation=far", "unknown propagation"],
    ["type=bind,src=/a,dst=/t,bind-recursive=writable", "needs readonly"],
    ["type=volume,src=a/b,dst=/t", "volume: a/b: "],
    ["src=v,dst=/t,volume-subpath=../x", "is not a path within"],
    ["src=v,dst=/t,volume-subpath=/x", "is not a path within"],
    ["src=v,dst=/t,subpath=/../x", "is not a path within"],
    ["src=v,dst=t", "must be an absolute path"],
    ["src=v,dst=/", "the root itself"],
    ["type=tmpfs,dst=/t,tmpfs-mode=9", "is not a mode"],
    ["type=npipe,src=a,dst=/t", "Windows"],
    ["type=cluster,src=a,dst=/t", "swarm"],
    ["type=cloth,src=a,dst=/t", 'unknown type "cloth"'],
    ["src=v,dst=/t,volume-driver=rexray", "local"],
  ])("refuses %p: %p", (text, why) => {
    expect(() => parseMount(text)).toThrow(why);
  });
});
