import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { lgetxattr } from "../../src/helper/syscalls";
import { waitUntil } from "../harness/wait";
import {
  applied,
  apply,
  digestOf,
  layerMissing,
  list,
  look,
  mappings,
  newTarget,
  removeAll,
  requestFor,
  singleMappings,
  startVerb,
} from "./_layer";
import { archive, directory, entry, file, GNU, gnuLong, hardLink, pax, symlink } from "./_tar";

setDefaultTimeout(30_000);
afterAll(removeAll);

const why = layerMissing ? ` (${layerMissing})` : "";

describe.skipIf(layerMissing !== undefined)(`layer-apply: entries${why}`, () => {
  test("gives files their content, mode, owner and times", async () => {
    const target = await applied(
      archive(
        directory("d/", { mode: 0o2755, uid: 5, gid: 6, mtime: 1_500_000_000 }),
        file("d/f", "hello", { mode: 0o640, uid: 1000, gid: 100, mtime: 1_500_000_001 }),
        file("d/suid", "", { mode: 0o4755, uid: 1 }),
        file("d/none", "", { mode: 0 }),
        symlink("d/s", "f", { uid: 7, gid: 8, mtime: 1_500_000_002 }),
        entry({ name: "d/p", type: "6", mode: 0o1620, uid: 2 }),
      ),
    );

    expect(look(join(target, "d/f"))).toMatchObject({
      type: "file",
      mode: "640",
      owner: "1000:100",
      size: 5,
      mtimeNs: 1_500_000_001_000_000_000n,
      atimeNs: 1_500_000_001_000_000_000n,
    });
    expect(look(join(target, "d"))).toMatchObject({
      mode: "2755",
      owner: "5:6",
      mtimeNs: 1_500_000_000_000_000_000n,
    });
    expect(look(join(target, "d/suid"))).toMatchObject({ mode: "4755", owner: "1:0" });
    expect(look(join(target, "d/none"))).toMatchObject({ mode: "0", owner: "0:0" });
    expect(look(join(target, "d/s"))).toMatchObject({
      type: "symlink",
      owner: "7:8",
      mtimeNs: 1_500_000_002_000_000_000n,
    });
    expect(look(join(target, "d/p"))).toMatchObject({ type: "fifo", mode: "1620", owner: "2:0" });
  });

  test("of a set-group-id directory that was there are 0:0 and plain when the archive says so", async () => {
    const target = await applied(
      archive(directory("d/", { mode: 0o2755, gid: 9 }), directory("d/e/"), file("d/f")),
    );

    expect(look(join(target, "d/e"))).toMatchObject({ mode: "755", owner: "0:0" });
    expect(look(join(target, "d/f"))).toMatchObject({ owner: "0:0" });
  });

  test("answers with digest, size and number of entries", async () => {
    const layer = archive(directory("a/"), file("a/b", "x"));

    const { ok, status } = await apply(gzipSync(layer), { diffId: digestOf(layer) });

    expect(ok).toEqual({ diffId: digestOf(layer), sizeBytes: layer.length, entries: 2, skippedDevices: 0 });
    expect(status).toBe(0);
  });

  test("the target gets mode, owner and time of ./", async () => {
    const target = await applied(
      archive(directory("./", { mode: 0o1777, uid: 3, mtime: 1_400_000_000 }), file("./a", "x")),
    );

    expect(look(target)).toMatchObject({ mode: "1777", owner: "3:0", mtimeNs: 1_400_000_000_000_000_000n });
    expect(list(target)).toEqual(["a = x"]);
  });

  test("the target becomes 0755 where the archive does not speak of it", async () => {
    expect(look(await applied(archive(file("a"))))).toMatchObject({ mode: "755", owner: "0:0" });
  });

  test("an empty layer is an empty directory", async () => {
    expect(list(await applied(archive()))).toEqual([]);
    expect(list(await applied(new Uint8Array()))).toEqual([]);
  });

  test("parents that are missing are made, 0755 and root's", async () => {
    const target = await applied(archive(file("a/b/c", "x", { uid: 5, mode: 0o600 })));

    expect(look(join(target, "a/b"))).toMatchObject({ mode: "755", owner: "0:0" });
    expect(look(join(target, "a/b/c"))).toMatchObject({ mode: "600", owner: "5:0" });
  });

  test("hard links share their file, also one to a symbolic link", async () => {
    const target = await applied(
      archive(
        file("a", "x"),
        hardLink("b", "a"),
        hardLink("./b", "/a"),
        symlink("s", "/nowhere"),
        hardLink("t", "s"),
      ),
    );

    expect(list(target)).toEqual(["a = x", "b = x", "s -> /nowhere", "t -> /nowhere"]);
    expect(look(join(target, "a")).links).toBe(2);
    expect(look(join(target, "t")).ino).toBe(look(join(target, "s")).ino);
  });

  test("a hard link to itself changes nothing", async () => {
    expect(list(await applied(archive(file("a", "x"), hardLink("a", "a"))))).toEqual(["a = x"]);
  });

  test("the last one of several entries with a name wins", async () => {
    const target = await applied(
      archive(
        file("a", "first"),
        directory("a/"),
        file("a/b", "second"),
        file("a", "third"),
        file("c", "1"),
        symlink("c", "a"),
        file("c", "2"),
        directory("d/", { mode: 0o700 }),
        file("d/e"),
        directory("d/", { mode: 0o775, uid: 4 }),
        symlink("l", "d"),
        directory("l/"),
      ),
    );

    expect(list(target)).toEqual(["a = third", "c = 2", "d/", "d/e = ", "l/"]);
    expect(look(join(target, "d"))).toMatchObject({ mode: "775", owner: "4:0" });
  });

  test("devices are left out and counted, with the hard links to them", async () => {
    const { ok, target } = await apply(
      archive(
        entry({ name: "dev/null", type: "3" }),
        entry({ name: "b", type: "4" }),
        hardLink("c", "dev/null"),
      ),
    );

    expect(ok).toMatchObject({ entries: 3, skippedDevices: 3 });
    expect(list(target)).toEqual(["dev/"]);
  });

  test("names are bytes", async () => {
    const target = await applied(archive(entry({ name: Buffer.from("a\xff\xfe", "latin1"), content: "x" })));

    const [name] = readdirSync(target, { encoding: "buffer" });
    expect(name).toEqual(Buffer.from("a\xff\xfe", "latin1"));
  });

  test("xattrs of users and file capabilities are set, others are not", async () => {
    const capability = Buffer.from("0100000200200000000000000000000000000000", "hex"); // cap_net_raw+ep, version 2
    const target = await applied(
      archive(
        pax([
          ["SCHILY.xattr.user.text", "va=lue\n\0"],
          ["SCHILY.xattr.security.capability", capability],
          ["SCHILY.xattr.trusted.x", "1"],
          ["SCHILY.xattr.security.selinux", "x"],
          ["SCHILY.xattr.system.posix_acl_access", "x"],
          ["SCHILY.xattr.user.overlay.opaque", "y"],
          ["SCHILY.xattr.user.overlay.redirect", "/etc"],
          ["SCHILY.xattr.user.fuseoverlayfs.opaque", "y"],
          ["SCHILY.xattr.user.containers.override_stat", "0:0:0777"],
          ["LIBARCHIVE.xattr.user.%62in", "AAEC"],
        ]),
        file("f", "content"),
        pax([
          ["SCHILY.xattr.user.overlay.opaque", "y"],
          ["SCHILY.xattr.user.d", "1"],
        ]),
        directory("d/"),
        file("plain"),
      ),
    );

    const f = join(target, "f");
    expect(lgetxattr(f, "user.text")?.toString()).toBe("va=lue\n\0");
    expect(lgetxattr(f, "user.bin")).toEqual(Buffer.from([0, 1, 2]));
    expect(lgetxattr(f, "user.overlay.opaque")).toBeNull();
    expect(lgetxattr(f, "user.overlay.redirect")).toBeNull();
    expect(lgetxattr(f, "user.fuseoverlayfs.opaque")).toBeNull();
    expect(lgetxattr(f, "user.containers.override_stat")).toBeNull();
    expect(lgetxattr(join(target, "d"), "user.overlay.opaque")).toBeNull();
    expect(lgetxattr(join(target, "d"), "user.d")?.toString()).toBe("1");
    expect(lgetxattr(join(target, "plain"), "user.text")).toBeNull();
    // Version 3: the kernel adds whose root it is, seen from outside.
    const seen = lgetxattr(f, "security.capability");
    expect(seen?.readUInt32LE(0)).toBe(0x03000001);
    expect(seen?.readUInt32LE(4)).toBe(0x2000);
    expect(seen?.readUInt32LE(20)).toBe(process.getuid?.());
  });
});

describe.skipIf(layerMissing !== undefined)(`layer-apply: kinds of tar${why}`, () => {
  const long = `${"d".repeat(120)}/${"f".repeat(200)}`;

  test("v7: a name that ends in a slash is a directory", async () => {
    const target = await applied(
      archive(file("a/", "", { type: "", mode: 0o755 }), file("a/b", "x", { type: "" })),
    );

    expect(list(target)).toEqual(["a/", "a/b = x"]);
  });

  test("ustar: prefix and name make the path", async () => {
    expect(list(await applied(archive(file("c", "x", { prefix: "a/b" }))))).toEqual([
      "a/",
      "a/b/",
      "a/b/c = x",
    ]);
  });

  test("GNU: long names, long links and numbers in base 256", async () => {
    const target = await applied(
      archive(
        gnuLong("L", long),
        file("cut", "x", { magic: GNU, uid: 60_000, binary: true }),
        gnuLong("L", "s"),
        gnuLong("K", long),
        symlink("cut", "cut", { magic: GNU }),
      ),
    );

    expect(readFileSync(join(target, "s"), "utf8")).toBe("x");
    expect(look(join(target, long)).owner).toBe("60000:0");
  });

  test("pax: records win over the header, and hold for one entry", async () => {
    const target = await applied(
      archive(
        pax([
          ["path", long],
          ["uid", "60000"],
          ["gid", "60001"],
          ["mtime", "1500000000.123456789"],
          ["atime", "1500000001.5"],
          ["comment", "ignored"],
          ["hdrcharset", "BINARY"],
        ]),
        file("cut", "x"),
        pax([["mtime", "-1.25"]]),
        file("old"),
        pax([["linkpath", long]]),
        symlink("s", "cut"),
        pax([["size", "3"]]),
        file("three", "abc", { size: 0 }),
        file("last", "y"),
      ),
    );

    expect(look(join(target, long))).toMatchObject({
      owner: "60000:60001",
      mtimeNs: 1_500_000_000_123_456_789n,
      atimeNs: 1_500_000_001_500_000_000n,
    });
    expect(look(join(target, "old")).mtimeNs).toBe(-1_250_000_000n);
    expect(list(target).slice(2)).toEqual(["last = y", "old = ", `s -> ${long}`, "three = abc"]);
  });

  test("pax: of a global header owner and times are taken, nothing else", async () => {
    const target = await applied(
      archive(
        pax(
          [
            ["comment", "a commit"],
            ["uid", "11"],
            ["path", "elsewhere"],
          ],
          "g",
        ),
        file("a"),
        pax([["uid", "12"]]),
        file("b"),
        file("c"),
      ),
    );

    expect(list(target)).toEqual(["a = ", "b = ", "c = "]);
    expect(["a", "b", "c"].map((name) => look(join(target, name)).owner)).toEqual(["11:0", "12:0", "11:0"]);
  });

  const sparse = `hello${"\0".repeat(1_000_000 - 5)}world`;
  const digits = (n: number): string => n.toString(8).padStart(11, "0");

  test.each([
    [
      "GNU's old one",
      archive(
        entry({
          name: "s",
          type: "S",
          magic: GNU,
          content: "helloworld",
          raw: {
            386: digits(0),
            398: digits(5),
            410: digits(1_000_000),
            422: digits(5),
            483: digits(1_000_005),
          },
        }),
        file("next"),
      ),
    ],
    [
      "0.0",
      archive(
        pax([
          ["GNU.sparse.size", "1000005"],
          ["GNU.sparse.numblocks", "2"],
          ["GNU.sparse.offset", "0"],
          ["GNU.sparse.numbytes", "5"],
          ["GNU.sparse.offset", "1000000"],
          ["GNU.sparse.numbytes", "5"],
        ]),
        file("s", "helloworld"),
        file("next"),
      ),
    ],
    [
      "0.1",
      archive(
        pax([
          ["GNU.sparse.size", "1000005"],
          ["GNU.sparse.name", "s"],
          ["GNU.sparse.map", "0,5,1000000,5"],
        ]),
        file("GNUSparseFile.1/s", "helloworld"),
        file("next"),
      ),
    ],
    [
      "1.0",
      archive(
        pax([
          ["GNU.sparse.major", "1"],
          ["GNU.sparse.minor", "0"],
          ["GNU.sparse.name", "s"],
          ["GNU.sparse.realsize", "1000005"],
        ]),
        file("GNUSparseFile.1/s", `${"2\n0\n5\n1000000\n5\n".padEnd(512, "\0")}helloworld`),
        file("next"),
      ),
    ],
  ])("a sparse file of format %s gets its holes", async (_format, layer) => {
    const target = await applied(layer);

    expect(readdirSync(target).sort()).toEqual(["next", "s"]);
    expect(readFileSync(join(target, "s"), "latin1") === sparse).toBe(true);
    expect(look(join(target, "s")).blocks * 512).toBeLessThan(100_000);
  });

  test("a file that ends in a hole has its whole size", async () => {
    const target = await applied(
      archive(
        pax([
          ["GNU.sparse.size", "50000"],
          ["GNU.sparse.map", "0,1,50000,0"],
        ]),
        file("s", "x"),
      ),
    );

    expect(look(join(target, "s")).size).toBe(50_000);
  });

  test("system tar's own archive in each of its formats", async () => {
    const source = newTarget();
    mkdirSync(join(source, "x".repeat(60), "y".repeat(60)), { recursive: true });
    writeFileSync(join(source, "x".repeat(60), "y".repeat(60), "z".repeat(90)), "content");
    for (const format of ["ustar", "gnu", "pax"]) {
      const tar = Bun.spawnSync(["tar", `--format=${format}`, "-cC", source, "."]);
      const target = await applied(tar.stdout, { squashOwners: true });
      expect(list(target)).toEqual(list(source));
    }
  });

  test.each<[string, Uint8Array, string]>([
    ["a wrong checksum", archive(file("a", "", { damaged: true })), "checksum"],
    ["an unknown type", archive(file("a", "", { type: "M" })), "type 'M'"],
    ["no name", archive(file("", "x")), "without a name"],
    ["a cut header", file("a").subarray(0, 300), "ends too early"],
    ["cut data", file("a", "x".repeat(2000)).subarray(0, 1024), "ends too early"],
    ["a lone block of zeros", Buffer.concat([file("a"), Buffer.alloc(512), file("b")]), "zeros within"],
    ["a pax header of 2 MiB", archive(entry({ name: "x", type: "x", size: 2 << 20 })), "too long"],
    ["a long name of 1 MiB", archive(entry({ name: "x", type: "L", size: 1 << 20, magic: GNU })), "too long"],
    [
      "a pax record that is too long",
      archive(entry({ name: "x", type: "x", content: "99 path=a\n" })),
      "length",
    ],
    [
      "a pax record without a key",
      archive(entry({ name: "x", type: "x", content: "5 =a\n" })),
      "without a key",
    ],
    ["a NUL in a path", archive(pax([["path", "a\0b"]]), file("a")), "damaged"],
    ["a negative size", archive(pax([["size", "-1"]]), file("a")), "damaged"],
    ["a negative uid", archive(pax([["uid", "-1"]]), file("a")), "damaged"],
    [
      "a sparse map that overlaps",
      archive(
        pax([
          ["GNU.sparse.size", "9"],
          ["GNU.sparse.map", "5,3,6,3"],
        ]),
        file("s", "abcdef"),
      ),
      "out of order",
    ],
    [
      "a sparse map beyond the file",
      archive(
        pax([
          ["GNU.sparse.size", "4"],
          ["GNU.sparse.map", "3,3"],
        ]),
        file("s", "abc"),
      ),
      "beyond",
    ],
  ])("%s is an error", async (_what, layer, words) => {
    const { error, status } = await apply(layer);

    expect(error?.step).toBe("read tar");
    expect(error?.detail).toContain(words);
    expect(status).toBe(1);
  });
});

describe.skipIf(layerMissing !== undefined)(`layer-apply: whiteouts${why}`, () => {
  test("overlay: a whiteout is a device 0:0, an opaque one an attribute of its directory", async () => {
    const target = await applied(
      archive(
        directory("d/"),
        file("d/.wh.gone"),
        file("o/.wh..wh..opq"),
        file("o/new", "x"),
        file(".wh.top"),
      ),
    );

    expect(list(target)).toEqual(["d/", "d/gone whiteout", "o/ opaque", "o/new = x", "top whiteout"]);
  });

  test("overlay: what the layer itself has stays, before and after its whiteout", async () => {
    const target = await applied(
      archive(
        file("a", "kept"),
        file(".wh.a"),
        file(".wh.b"),
        file("b", "kept"),
        directory("c/"),
        file("c/x", "kept"),
        file(".wh.c"),
        file(".wh.d"),
        directory("d/"),
        file(".wh.e"),
        file(".wh.e"),
      ),
    );

    expect(list(target)).toEqual([
      "a = kept",
      "b = kept",
      "c/ opaque",
      "c/x = kept",
      "d/ opaque",
      "e whiteout",
    ]);
  });

  const lower = archive(
    file("a", "lower"),
    directory("d/", { mode: 0o700 }),
    file("d/f", "lower"),
    directory("d/e/"),
    file("d/e/g", "lower"),
    file("d/e/h", "lower"),
    symlink("l", "d"),
  );

  async function onLower(...entries: Uint8Array[]): Promise<string[]> {
    const target = await applied(lower, { whiteouts: "delete" });
    return list(await applied(archive(...entries), { whiteouts: "delete", target }));
  }

  test("delete: a whiteout removes a file, a tree, a link", async () => {
    expect(
      await onLower(file(".wh.a"), file(".wh.d"), file(".wh.l"), file(".wh.none"), file("no/.wh.x")),
    ).toEqual([]);
  });

  test("delete: an opaque whiteout removes what was there before, not what the layer has put", async () => {
    const opaque = file("d/.wh..wh..opq");
    const expected = ["a = lower", "d/", "d/e/", "d/e/new = x", "l -> d"];

    expect(await onLower(opaque, directory("d/e/"), file("d/e/new", "x"))).toEqual(expected);
    expect(await onLower(directory("d/e/"), file("d/e/new", "x"), opaque)).toEqual(expected);
    expect(await onLower(file("d/e/new", "x"), opaque)).toEqual(expected);
  });

  test("delete: a whiteout takes the lower tree away below what the layer has put into it", async () => {
    expect(await onLower(file("d/e/h", "new"), file(".wh.d"))).toEqual([
      "a = lower",
      "d/",
      "d/e/",
      "d/e/h = new",
      "l -> d",
    ]);
  });

  test("delete: the target keeps its mode where the layer does not speak of it", async () => {
    const target = await applied(archive(directory("./", { mode: 0o711 }), file("a")), {
      whiteouts: "delete",
    });
    await applied(archive(file("b")), { whiteouts: "delete", target });

    expect(look(target).mode).toBe("711");
  });

  test("aufs metadata is left out", async () => {
    const target = await applied(
      archive(directory(".wh..wh.plnk/"), file(".wh..wh.plnk/1.2", "x"), file(".wh..wh.aufs"), file("a")),
    );

    expect(list(target)).toEqual(["a = "]);
  });

  test.each([".wh.", ".wh..", ".wh...", "d/.wh...", "d/.wh."])("the whiteout %s is refused", async (name) => {
    for (const whiteouts of ["overlay", "delete"] as const) {
      const { error } = await apply(archive(directory("d/"), file(name)), { whiteouts });
      expect(error).toMatchObject({ step: "unpack", object: name, detail: "a whiteout of no file" });
    }
  });

  test("a whiteout is not a directory", async () => {
    expect((await apply(archive(file(".wh.a/b")))).error?.detail).toBe("a whiteout is not a directory");
  });
});

describe.skipIf(layerMissing !== undefined)(`layer-apply: hostile layers${why}`, () => {
  /** Apply beside a directory "outside"; fails the test when anything appears or changes in there. */
  async function attack(...entries: Uint8Array[]) {
    const target = newTarget();
    const outside = join(target, "../outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "secret"), "untouched");
    const facts = ({ mode, owner, mtimeNs, links }: ReturnType<typeof look>) => [mode, owner, mtimeNs, links];
    const state = () => [
      readdirSync(join(target, "..")),
      list(outside),
      facts(look(outside)),
      facts(look(join(outside, "secret"))),
    ];
    const before = state();
    const result = await apply(archive(...entries), { target });
    expect(state()).toEqual(before);
    return result;
  }

  test.each(["../outside/x", "..", "a/../../outside/x", "/../outside/x", "./../outside/x"])(
    "the name %s is refused",
    async (name) => {
      const { error } = await attack(file(name, "x"));

      expect(error).toMatchObject({
        step: "unpack",
        object: name,
        detail: "the name leads out of the layer",
      });
    },
  );

  test("absolute names, and .. within the layer, lie in the layer", async () => {
    const { target } = await attack(file("/etc/passwd", "x"), file("a/b/../c", "y"), file("//d//./e", "z"));

    expect(list(target)).toEqual(["a/", "a/c = y", "d/", "d/e = z", "etc/", "etc/passwd = x"]);
  });

  test.each(["../outside", "../../../../../../../../tmp", "/"])(
    "a link to %s leads nowhere but into the layer",
    async (to) => {
      const { target, error } = await attack(symlink("l", to), file("l/x", "mine"), directory("l/d/"));

      expect(error).toBeUndefined();
      expect(existsSync(join(target, "l"))).toBe(true);
      const found = Bun.spawnSync(["find", target, "-name", "x", "-type", "f"]).stdout.toString().trim();
      expect(found.startsWith(target)).toBe(true);
    },
  );

  test("a link in place of a file is replaced, not written through", async () => {
    const { target } = await attack(symlink("a", "../outside/secret"), file("a", "mine"));

    expect(list(target)).toEqual(["a = mine"]);
  });

  test("a link in place of a directory is replaced, its target keeps its mode", async () => {
    const { target } = await attack(
      symlink("a", "../outside"),
      directory("a/", { mode: 0o777, uid: 5 }),
      file("a/secret", "mine"),
    );

    expect(list(target)).toEqual(["a/", "a/secret = mine"]);
  });

  test("a hard link to a link to a file outside does not open it", async () => {
    const { target } = await attack(
      symlink("s", "../outside/secret"),
      hardLink("h", "s"),
      file("h", "mine"),
      hardLink("i", "s"),
    );

    expect(list(target)).toEqual(["h = mine", "i -> ../outside/secret", "s -> ../outside/secret"]);
  });

  test.each(["../outside/secret", "/../outside/secret", "a/../../outside/secret"])(
    "a hard link to %s is refused",
    async (to) => {
      expect((await attack(hardLink("h", to))).error?.detail).toContain("a hard link out of the layer");
    },
  );

  test("a hard link through a link stays in the layer", async () => {
    const { error } = await attack(symlink("l", "../outside"), hardLink("h", "l/secret"));

    expect(error).toMatchObject({ step: "unpack", object: "h", errno: "ENOENT" });
  });

  test("a whiteout through a link hides nothing outside", async () => {
    const { target } = await attack(symlink("l", "../outside"), file("l/.wh.secret"));
    expect(list(target)).toContain("outside/secret whiteout");

    const before = newTarget();
    mkdirSync(join(before, "../outside"));
    writeFileSync(join(before, "../outside/secret"), "untouched");
    const layer = archive(symlink("l", "../outside"), file("l/.wh.secret"), file("l/.wh..wh..opq"));
    await apply(layer, { target: before, whiteouts: "delete" });
    expect(readFileSync(join(before, "../outside/secret"), "utf8")).toBe("untouched");
  });

  test("times of directories are not set through a link that came later", async () => {
    const old = 1_000_000_000;
    await attack(directory("d/", { mtime: old }), symlink("d", "../outside"));
    await attack(
      directory("d/", { mtime: old }),
      file("d"),
      symlink("d", "../outside"),
      directory("d/x/", { mtime: old }),
    );
  });

  test("the top must be a directory", async () => {
    expect((await attack(symlink("./", "../outside"))).error?.detail).toBe(
      "the top of a layer is a directory",
    );
    expect((await attack(file(".", "x"))).error?.detail).toBe("the top of a layer is a directory");
  });

  test("a link to itself, a name and a path that are too long are errors", async () => {
    expect((await attack(symlink("l", "l"), file("l/x"))).error?.errno).toBe("ELOOP");
    expect((await attack(gnuLong("L", "x".repeat(300)), file("x", "", { magic: GNU }))).error?.errno).toBe(
      "ENAMETOOLONG",
    );
    expect((await attack(gnuLong("L", "x/".repeat(5000)), directory("x", { magic: GNU }))).error?.errno).toBe(
      "ENAMETOOLONG",
    );
  });

  test("a sparse file of 2^62 bytes costs nothing, or is refused", async () => {
    const { target, error } = await attack(
      pax([
        ["GNU.sparse.size", String(2n ** 62n)],
        ["GNU.sparse.map", "0,1"],
      ]),
      file("s", "x"),
    );

    if (error) expect(error.errno).toBe("EFBIG");
    else expect(look(join(target, "s")).blocks).toBeLessThan(100);
  });
});

describe.skipIf(layerMissing !== undefined)(`layer-apply: owners${why}`, () => {
  test("an id that is not mapped is an error that names it", async () => {
    const { error } = await apply(archive(pax([["uid", "4000000"]]), file("a")));

    expect(error).toMatchObject({ step: "set owner", object: "a", errno: "EINVAL" });
    expect(error?.detail).toBe("uid 4000000 is not mapped: add subordinate ids");
    expect((await apply(archive(pax([["gid", "4294967295"]]), file("a")))).error?.detail).toContain(
      "gid 4294967295",
    );
  });

  test("squashOwners makes everything root's, in a single-id mapping", async () => {
    const target = await applied(
      archive(
        directory("./", { uid: 4 }),
        directory("d/", { uid: 1 }),
        file("d/f", "x", { uid: 70_000, gid: 8 }),
      ),
      { squashOwners: true, mappings: singleMappings },
    );

    expect(look(target).owner).toBe("0:0");
    expect(look(join(target, "d")).owner).toBe("0:0");
    expect(look(join(target, "d/f")).owner).toBe("0:0");
  });

  test("a single-id mapping without squashOwners cannot give files away", async () => {
    const { error } = await apply(archive(file("f", "x", { uid: 1 })), { mappings: singleMappings });

    expect(error?.detail).toContain("uid 1 is not mapped");
  });
});

describe.skipIf(layerMissing !== undefined)(`layer-apply: compression${why}`, () => {
  const big = archive(
    file("text", Array.from({ length: 200_000 }, (_, i) => `line ${i * 7919}\n`).join("")),
    file(
      "noise",
      Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i * 31 + (i >> 3)) & 255)).toString(
        "latin1",
      ),
    ),
    file("zeros", "\0".repeat(3_000_000)),
  );
  const diffId = digestOf(big);

  test.each<[string, Uint8Array]>([
    ["plain tar", big],
    ["gzip", gzipSync(big)],
    ["gzip -1", gzipSync(big, { level: 1 })],
    ["gzip, stored", gzipSync(big, { level: 0 })],
    [
      "gzip of many members",
      Buffer.concat(Array.from({ length: 9 }, (_, i) => gzipSync(big.subarray(i * 1e6, (i + 1) * 1e6)))),
    ],
    ["gzip and zeros", Buffer.concat([gzipSync(big), Buffer.alloc(4096)])],
    [
      "gzip with a name",
      Buffer.concat([
        Buffer.from("1f8b0808000000000003", "hex"),
        Buffer.from("name\0"),
        gzipSync(big).subarray(10),
      ]),
    ],
    ["zstd", zstdCompressSync(big)],
    [
      "zstd of many frames",
      Buffer.concat([zstdCompressSync(big.subarray(0, 1e6)), zstdCompressSync(big.subarray(1e6))]),
    ],
    [
      "zstd with skippable frames",
      Buffer.concat([
        Buffer.from("502a4d1803000000616263", "hex"),
        zstdCompressSync(big),
        Buffer.from("5e2a4d1800000000", "hex"),
      ]),
    ],
  ])("%s is told by its first bytes and gives the same digest", async (_name, layer) => {
    const { ok } = await apply(layer, { diffId });

    expect(ok).toEqual({ diffId, sizeBytes: big.length, entries: 3, skippedDevices: 0 });
  });

  const gzip = gzipSync(big);
  const zstd = zstdCompressSync(big, { params: { 201: 1 } }); // ZSTD_c_checksumFlag
  const changed = (bytes: Uint8Array, at: number): Uint8Array => {
    const copy = Buffer.from(bytes);
    const place = at < 0 ? copy.length + at : at;
    copy[place] = (copy[place] ?? 0) ^ 0x10;
    return copy;
  };

  test.each<[string, Uint8Array, string]>([
    ["cut gzip", gzip.subarray(0, gzip.length / 2), "ends too early"],
    ["gzip without its trailer", gzip.subarray(0, gzip.length - 3), "ends too early"],
    ["a wrong checksum", changed(gzip, -6), "checksum"],
    ["a wrong length", changed(gzip, -2), "length"],
    ["bytes behind gzip", Buffer.concat([gzip, Buffer.from("hello")]), "follow the last member"],
    ["an unknown method", changed(gzip, 2), "unknown kind"],
    ["a cut second member", Buffer.concat([gzip, gzip.subarray(0, 20)]), "ends too early"],
    ["cut zstd", zstd.subarray(0, zstd.length / 2), "ends too early"],
    ["damaged zstd", changed(zstd, -2), ""],
    ["bytes behind zstd", Buffer.concat([zstd, Buffer.from("hello")]), ""],
  ])("%s is an error", async (_name, layer, words) => {
    const { error } = await apply(layer);

    expect(error?.step).toBe("decompress layer");
    expect(error?.detail).toContain(words);
    expect(error?.detail).not.toBe("");
  });

  test("a zstd window of 512 MiB is refused", async () => {
    const frame = Buffer.from("28b52ffd0098010000", "hex"); // no single segment, window descriptor 0x98: 2^29

    const { error } = await apply(frame);

    expect(error).toMatchObject({ step: "decompress layer", object: "zstd" });
    expect(error?.detail).toContain("memory");
  });

  test("a wrong diffId is an error that names both", async () => {
    const expected = `sha256:${"0".repeat(64)}`;
    const { error } = await apply(gzip, { diffId: expected });

    expect(error).toMatchObject({ step: "verify layer", errno: "" });
    expect(error?.detail).toContain(`expected ${expected}, got ${diffId}`);
  });

  test("what follows the archive is read and counted in the digest", async () => {
    const padded = Buffer.concat([big, Buffer.alloc(10_240), Buffer.from("trailing")]);

    expect((await apply(gzipSync(padded))).ok).toMatchObject({
      diffId: digestOf(padded),
      sizeBytes: padded.length,
    });
  });

  test("compression none, gzip, zstd are not guessed", async () => {
    expect((await apply(gzip, { compression: "gzip" })).ok?.diffId).toBe(diffId);
    expect((await apply(big, { compression: "none" })).ok?.diffId).toBe(diffId);
    expect((await apply(big, { compression: "gzip" })).error?.step).toBe("decompress layer");
    expect((await apply(gzip, { compression: "zstd" })).error?.step).toBe("decompress layer");
    expect((await apply(gzip, { compression: "none" })).error?.step).toBe("read tar");
  });

  test.each([
    ["gzip", gzipSync],
    ["zstd", zstdCompressSync],
  ])("memory does not grow with the layer (%s)", async (_name, compress) => {
    const layer = compress(archive(file("big", "0123456789abcdef".repeat(6_000_000))));
    const target = newTarget();
    const child = startVerb("layer-apply", requestFor(target), "pipe");
    const stdin = child.stdin as unknown as Bun.FileSink;
    stdin.write(layer.subarray(0, -20));
    await stdin.flush();
    const written = join(target, "big");
    await waitUntil(() => existsSync(written) && look(written).size > 90_000_000, { timeoutMs: 20_000 });
    const inner = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
    const [, peakKib] = /VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${inner}/status`, "utf8")) ?? [];
    stdin.write(layer.subarray(-20));
    await stdin.end();

    expect(await child.exited).toBe(0);
    expect(Number(peakKib)).toBeLessThan(20 << 10);
  });
});

describe.skipIf(layerMissing !== undefined)(`layer-apply: ends${why}`, () => {
  test("a layer that comes slowly, through a pipe", async () => {
    const target = newTarget();
    const child = startVerb("layer-apply", requestFor(target), "pipe");
    const layer = gzipSync(archive(file("a", "x"), file("b", "y".repeat(100_000))));
    const stdin = child.stdin as unknown as Bun.FileSink;
    for (let at = 0; at < layer.length; at += 50) {
      stdin.write(layer.subarray(at, at + 50));
      await stdin.flush();
    }
    await stdin.end();

    expect(await child.exited).toBe(0);
    expect(look(join(target, "b")).size).toBe(100_000);
  });

  test("an error is reported at once, though the stream stays open", async () => {
    const child = startVerb("layer-apply", requestFor(newTarget()), "pipe");
    const stdin = child.stdin as unknown as Bun.FileSink;
    stdin.write(file("../x"));
    await stdin.flush();

    expect(await new Response(child.stdout as ReadableStream).text()).toContain("leads out of the layer");
    expect(await child.exited).toBe(1);
    await Promise.resolve(stdin.end()).catch(() => undefined);
  });

  test("nothing goes on when the caller is killed", async () => {
    const child = startVerb("layer-apply", requestFor(newTarget()), "pipe");
    const children = `/proc/${child.pid}/task/${child.pid}/children`;
    const inner = await waitUntil(() => {
      const pid = readFileSync(children, "utf8").trim();
      // Its thread is there: it is past the point where it asks to be killed with us.
      return pid !== "" && existsSync(`/proc/${pid}/task`) && readdirSync(`/proc/${pid}/task`).length > 1
        ? pid
        : undefined;
    });
    child.kill("SIGKILL");

    await waitUntil(() => !existsSync(`/proc/${inner}`));
  });

  const strace = Bun.which("strace");

  test.skipIf(strace === null).each([
    ["ENOSPC", "pwrite64"],
    ["EDQUOT", "close"],
    ["EIO", "utimensat"],
    ["ENOSPC", "mkdirat"],
    ["ENOSPC", "symlinkat"],
    ["ENOSPC", "linkat"],
  ])("%s of %s names the entry", async (errno, call) => {
    const layer = archive(
      directory("dir/"),
      file("dir/file", "x"),
      symlink("dir/link", "x"),
      hardLink("dir/hard", "dir/file"),
    );
    // close(2): of the file alone, told by its path
    const path = call === "close" ? ["-P", "FILE"] : [];
    const target = newTarget();
    const { error } = await apply(layer, {
      target,
      mappings: singleMappings,
      squashOwners: true,
      before: [
        strace ?? "",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        ...path.map((word) => (word === "FILE" ? join(target, "dir/file") : word)),
        "-e",
        `inject=${call}:error=${errno}`,
      ],
    });

    expect(error?.errno).toBe(errno);
    expect(error?.object).toStartWith("dir/");
  });

  test.each([
    ["no directory", { target: "/nonexistent" }, "open directory"],
    ["an unknown key", { extra: 1 }, "read request"],
    ["unknown whiteouts", { whiteouts: "both" }, "read request"],
    ["unknown compression", { compression: "lzma" }, "read request"],
  ])("%s is an error of the request", async (_what, more, step) => {
    const child = startVerb("layer-apply", { ...requestFor(newTarget()), mappings, ...more });

    expect(JSON.parse(await new Response(child.stdout as ReadableStream).text()).error.step).toBe(step);
  });
});
