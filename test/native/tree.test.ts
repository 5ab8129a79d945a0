import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { lgetxattr } from "../../src/helper/syscalls";
import { applied, call, layerMissing, list, look, mappings, newTarget, removeAll, scratch } from "./_layer";
import { archive, directory, entry, file, hardLink, pax, symlink } from "./_tar";

setDefaultTimeout(30_000);
afterAll(removeAll);

const why = layerMissing ? ` (${layerMissing})` : "";

const LEVELS = 3 * 1500;

/** A tree of LEVELS levels, deeper than any path can name: each link leads 1,500 levels down. */
const deep = () =>
  applied(
    archive(
      ...["", "s/", "t/"].flatMap((start, i) => [
        pax([["path", `${start}${"d/".repeat(1500)}`]]),
        directory("cut"),
        pax([["linkpath", `${start}${"d/".repeat(1500)}`]]),
        symlink("stu"[i] ?? "", "cut"),
      ]),
      file("u/f", "x"),
    ),
  );

/** The text of an attribute, or undefined. */
const attributeOf = (path: string, name: string): string | undefined => lgetxattr(path, name)?.toString();

/** A change of nothing but where data is. */
const same = (data: string) => {
  const map = [{ containerID: 0, hostID: 0, size: 1 }];
  return { owners: { uid: map, gid: map }, rootUid: 0, rootGid: 0, data };
};

/** How many directories and files are below PATH. */
const countIn = (path: string): number =>
  Bun.spawnSync(["find", path, "-mindepth", "1", "-printf", "."]).stdout.length;

const remove = (...paths: string[]) => call("remove-tree", { paths, mappings });

describe.skipIf(layerMissing !== undefined)(`remove-tree${why}`, () => {
  test("removes files, links, fifos, whiteouts and directories of mapped ids", async () => {
    const target = await applied(
      archive(
        directory("d/", { mode: 0o700, uid: 5 }),
        directory("d/e/", { mode: 0o700, uid: 6 }),
        file("d/e/f", "x", { uid: 7, mode: 0 }),
        directory("none/", { mode: 0, uid: 8 }),
        file("none/f", "x"),
        symlink("l", "/"),
        entry({ name: "p", type: "6" }),
        file(".wh.w"),
      ),
    );

    expect(await remove(target)).toEqual({ ok: {}, status: 0 });
    expect(existsSync(target)).toBe(false);
  });

  test("follows no link", async () => {
    const target = newTarget();
    const outside = join(target, "../outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "f"), "x");
    symlinkSync("../outside", join(target, "l"));
    symlinkSync("outside", join(target, "../to-outside"));

    expect((await remove(target, join(target, "../to-outside"))).ok).toEqual({});
    expect(readdirSync(join(target, ".."))).toEqual(["outside"]);
    expect(list(outside)).toEqual(["f = x"]);
  });

  test("removes directories that their owner closed to himself", async () => {
    const target = newTarget();
    for (const mode of [0, 0o100, 0o200, 0o400, 0o500]) {
      const path = join(target, `m${mode}`);
      mkdirSync(join(path, "inner"), { recursive: true });
      writeFileSync(join(path, "inner/f"), "x");
      writeFileSync(join(path, "f"), "x");
      chmodSync(join(path, "inner"), mode);
      chmodSync(path, mode);
    }

    expect(await remove(target)).toEqual({ ok: {}, status: 0 });
    expect(existsSync(target)).toBe(false);
  });

  test("removes trees that are deeper than a path is long", async () => {
    const target = await deep();
    expect(countIn(target)).toBe(LEVELS + 4); // three links and a file

    expect((await remove(target)).ok).toEqual({});
    expect(existsSync(target)).toBe(false);
  });

  test("removes a single file, and finds nothing wrong with what is gone already", async () => {
    const target = newTarget();
    writeFileSync(join(target, "f"), "x");

    expect((await remove(join(target, "f"), join(target, "none"), join(target, "none/none"))).ok).toEqual({});
    expect(list(target)).toEqual([]);
  });

  test("does not enter another mount, and removes all the rest", async () => {
    const target = newTarget();
    mkdirSync(join(target, "a/mount"), { recursive: true });
    mkdirSync(join(target, "z"));
    const other = scratch();
    writeFileSync(join(other, "f"), "x");
    const request = JSON.stringify({ paths: [target], mappings: { uid: [], gid: [] } });
    const script = `mount --bind "$2" "$3" && printf %s "$4" | { "$1" remove-tree 3 3<&0 </dev/null; }`;
    const { helperPath } = await import("./_container");
    const { stdout } = Bun.spawnSync([
      ...["unshare", "-rm", "sh", "-c", script, "sh"],
      ...[helperPath, other, join(target, "a/mount"), request],
    ]);

    expect(list(other)).toEqual(["f = x"]);
    expect(list(target)).toEqual(["a/", "a/mount/"]);
    expect(JSON.parse(stdout.toString()).error).toBeDefined();
  });

  test.each(["/", "/tmp/..", "relative"])("refuses %s", async (path) => {
    expect((await remove(path)).error).toBeDefined();
  });
});

describe.skipIf(layerMissing !== undefined)(`copy-tree${why}`, () => {
  const copy = (from: string, to: string) => call("copy-tree", { from, to, mappings });

  const changed = (from: string, to: string, data: string) =>
    call("copy-tree", {
      from,
      to,
      mappings,
      // 0 and 1000 change places
      change: {
        owners: {
          uid: [
            { containerID: 0, hostID: 1000, size: 1 },
            { containerID: 1, hostID: 1, size: 999 },
            { containerID: 1000, hostID: 0, size: 1 },
          ],
          gid: [{ containerID: 0, hostID: 1000, size: 1 }],
        },
        rootUid: 1000,
        rootGid: 1000,
        data,
      },
    });

  test("changes owners, the root of file capabilities, and takes set-id bits from who is nobody", async () => {
    const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");
    const from = await applied(
      archive(
        directory("./", { mode: 0o755 }),
        directory("d/", { mode: 0o700, uid: 1000 }),
        pax([["SCHILY.xattr.security.capability", capability]]),
        file("capable", "hello", { mode: 0o755 }),
        file("s", "set", { mode: 0o4755, uid: 7 }),
        file("unknown", "nobody's", { mode: 0o6755, uid: 5000, gid: 7 }),
        symlink("l", "d/f", { uid: 1000 }),
        file(".wh.w"),
      ),
    );
    const to = join(scratch(), "copy");

    expect((await changed(from, to, "copy")).error).toBeUndefined();

    const owners = (path: string) => look(join(to, path)).owner;
    expect(["", "d", "l", "s", "unknown"].map(owners)).toEqual([
      "1000:1000",
      "0:1000",
      "0:1000",
      "7:1000",
      "1000:1000",
    ]);
    expect([look(join(to, "s")).mode, look(join(to, "unknown")).mode]).toEqual(["4755", "755"]);
    expect(look(join(to, "w")).type).toBe("char");
    const line = mappings.uid.find(
      ({ containerID, size }) => containerID <= 1000 && 1000 < containerID + size,
    );
    const bytes = lgetxattr(join(to, "capable"), "security.capability");
    // revision 3: the root that it holds for is behind the sets
    expect(bytes?.readUInt32LE(0)).toBe(0x03000001);
    expect(bytes?.readUInt32LE(20)).toBe((line?.hostID ?? 0) + 1000 - (line?.containerID ?? 0));
  });

  test("leaves data where it is: all of it, or what everybody may read", async () => {
    const from = await applied(
      archive(
        directory("./", { mode: 0o755 }),
        directory("closed/", { mode: 0o750 }),
        file("closed/f", "hidden"),
        file("open", "for all", { mode: 0o644 }),
        file("shut", "for one", { mode: 0o640 }),
        file("empty", "", { mode: 0o644 }),
      ),
    );
    const redirects = (to: string): Record<string, string | undefined> =>
      Object.fromEntries(
        ["open", "shut", "empty"].map((name) => [name, attributeOf(join(to, name), "user.overlay.redirect")]),
      );
    const [all, some] = [join(scratch(), "all"), join(scratch(), "some")];

    expect(
      (await call("copy-tree", { from, to: all, mappings, change: same("redirect") })).error,
    ).toBeUndefined();
    expect(
      (await call("copy-tree", { from, to: some, mappings, change: same("redirect-public") })).error,
    ).toBeUndefined();

    expect(redirects(all)).toEqual({ open: "/open", shut: "/shut", empty: undefined });
    expect(attributeOf(join(all, "closed/f"), "user.overlay.redirect")).toBe("/closed/f");
    expect(look(join(all, "open"))).toMatchObject({ size: 7, owner: "0:0" });
    expect(redirects(some)).toEqual({ open: "/open", shut: undefined, empty: undefined });
    expect(attributeOf(join(some, "closed/f"), "user.overlay.redirect")).toBeUndefined();
    expect(list(some)).toContain("closed/f = hidden");
  });

  test("merges layers, and tells what is closed in one of them from what everybody may read", async () => {
    const low = await applied(
      archive(
        directory("./", { mode: 0o755 }),
        directory("opened/", { mode: 0o700 }),
        file("opened/f", "below", { mode: 0o644 }),
        file("gone", "deleted"),
        file("both", "below", { mode: 0o644 }),
      ),
    );
    const top = await applied(
      archive(
        directory("./", { mode: 0o755 }),
        directory("opened/", { mode: 0o755 }),
        file(".wh.gone"),
        file("both", "above", { mode: 0o644 }),
      ),
    );
    const to = join(scratch(), "merged");

    const request = { from: top, layers: [top, low], to, mappings, change: same("redirect-public") };
    expect((await call("copy-tree", request)).error).toBeUndefined();

    expect(readdirSync(to).toSorted()).toEqual(["both", "opened"]);
    expect(attributeOf(join(to, "both"), "user.overlay.redirect")).toBe("/both");
    expect(attributeOf(join(to, "opened/f"), "user.overlay.redirect")).toBeUndefined();
    expect(list(to)).toContain("opened/f = below");
  });

  test.each([["else"], [""]])("refuses %p as a way with data", async (data) => {
    const { error } = await changed(await applied(archive(file("f", "x"))), join(scratch(), "copy"), data);
    expect(error).toMatchObject({
      step: "read request",
      object: "change",
      detail: `unknown way with data "${data}"`,
    });
  });

  test("copies owners, modes, times, attributes, links, holes, fifos and whiteouts", async () => {
    const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");
    const from = await applied(
      archive(
        directory("./", { mode: 0o1755, uid: 2, mtime: 1_300_000_000 }),
        pax([
          ["mtime", "1400000000.000000007"],
          ["SCHILY.xattr.user.d", "1"],
        ]),
        directory("d/", { mode: 0o2755, uid: 0, gid: 6 }),
        pax([
          ["mtime", "1500000000.123456789"],
          ["atime", "1500000001.987654321"],
          ["SCHILY.xattr.user.a", "b"],
          ["SCHILY.xattr.security.capability", capability],
        ]),
        file("d/f", "hello", { mode: 0o4755, uid: 7, gid: 8 }),
        hardLink("e", "d/f"),
        symlink("l", "d/f", { uid: 9, mtime: 1_450_000_000 }),
        hardLink("l2", "l"),
        entry({ name: "p", type: "6", mode: 0o640, uid: 3 }),
        pax([
          ["GNU.sparse.size", "5000000"],
          ["GNU.sparse.map", "1000000,5"],
        ]),
        file("sparse", "hello"),
        file("big", "0123456789".repeat(100_000)),
        file(".wh.w"),
        file("o/.wh..wh..opq"),
        file("zero"),
      ),
    );
    const to = join(scratch(), "copy");

    const before = new Map(
      ["", "d", "d/f", "e", "l", "l2", "p", "sparse", "zero"].map((p) => [p, look(join(from, p))]),
    );
    expect((await copy(from, to)).error).toBeUndefined();

    for (const [path, seen] of before) {
      const { ino, atimeNs, blocks, ...facts } = look(join(to, path));
      const { ino: _ino, atimeNs: wanted, blocks: _blocks, ...same } = seen;
      expect([path, facts]).toEqual([path, same]);
      if (facts.type === "file") expect(atimeNs).toBe(wanted);
    }
    expect(list(to)).toEqual(list(from));
    expect(look(join(to, "e")).ino).toBe(look(join(to, "d/f")).ino);
    expect(look(join(to, "l2")).ino).toBe(look(join(to, "l")).ino);
    expect(look(join(to, "sparse")).blocks * 512).toBeLessThan(100_000);
    for (const name of ["user.a", "security.capability"]) {
      expect(lgetxattr(join(to, "e"), name)).toEqual(lgetxattr(join(from, "e"), name));
      expect(lgetxattr(join(to, "e"), name)).not.toBeNull();
    }
  });

  test("copies trees that are deeper than a path is long", async () => {
    const from = await deep();
    const to = join(scratch(), "copy");

    expect((await copy(from, to)).error).toBeUndefined();
    expect(countIn(to)).toBe(LEVELS + 4);
  });

  test("gives TO the attributes of FROM also where it is there already", async () => {
    const from = newTarget();
    writeFileSync(join(from, "f"), "x");
    linkSync(join(from, "f"), join(from, "../also"));
    chmodSync(from, 0o711);
    utimesSync(from, 1000, 2000);
    const to = newTarget();

    expect((await copy(from, to)).error).toBeUndefined();
    expect(list(to)).toEqual(["f = x"]);
    expect(look(to)).toMatchObject({ mode: "711", mtimeNs: 2_000_000_000_000n });
  });

  test("into itself, onto what is there, and from nothing are errors", async () => {
    const from = newTarget();
    mkdirSync(join(from, "a"));
    writeFileSync(join(from, "f"), "x");
    const to = newTarget();
    writeFileSync(join(to, "f"), "y");

    expect((await copy(from, join(from, "a/copy"))).error).toMatchObject({ step: "copy", errno: "EINVAL" });
    expect((await copy(from, to)).error).toMatchObject({ step: "copy", object: "f", errno: "EEXIST" });
    expect(list(to)).toContain("f = y");
    expect((await copy("/nonexistent", to)).error).toMatchObject({ step: "open directory", errno: "ENOENT" });
  });
});
