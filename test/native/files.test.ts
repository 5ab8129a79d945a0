/** The verbs `files` and `layer-diff`, asked directly: what an archive holds, byte by byte, and what a hostile directory can do. */
import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Files } from "../../src/helper/files";
import { pipe } from "../../src/helper/syscalls";
import { helperPath } from "./_container";
import { applied, call, layerMissing, list, look, mappings, newTarget, removeAll, scratch } from "./_layer";
import { archive, directory, entry, file, hardLink, pax, symlink } from "./_tar";

const cache = process.env["XDG_CACHE_HOME"] ?? scratch();
const host = { root: { kind: "host" as const, mappings: null }, mappings, oneMount: false };
const mapped = { ...host, root: { kind: "host" as const, mappings } };

/** Everything below PATH as an archive, by the verb. */
function packed(
  path: string,
  more: { gzip?: boolean; digests?: boolean; owners?: "keep" | "root" | "map" } = {},
) {
  const to = join(scratch(), "out.tar");
  const fd = openSync(to, "w");
  const files = Files.start(cache, more.owners === "map" ? host : mapped, fd);
  try {
    files.ask({ do: "pack", path, base: "", follow: false, owners: "keep", ...more });
    return {
      answer: files.hear<{ entries: number; digest: string; diffId: string; sizeBytes: number }>(),
      path: to,
    };
  } finally {
    files.close();
    closeSync(fd);
  }
}

function unpack(
  bytes: Uint8Array,
  target: string,
  more: { replace?: boolean; foreign?: boolean } = {},
): void {
  const from = join(scratch(), "in.tar");
  writeFileSync(from, bytes);
  const fd = openSync(from, "r");
  const files = Files.start(cache, host, fd);
  try {
    files.ask({ do: "unpack", path: target, owners: "mine", replace: false, foreign: false, ...more });
    files.hear();
  } finally {
    files.close();
    closeSync(fd);
  }
}

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

describe.skipIf(layerMissing !== undefined)("files", () => {
  afterEach(removeAll);

  test("a part of a file is read, and a directory listed; nothing else, and no more than is asked for", () => {
    const at = scratch();
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
    writeFileSync(join(at, "file"), bytes);
    symlinkSync("file", join(at, "link"));
    mkdirSync(join(at, "directory"));
    writeFileSync(join(at, "directory", "ü"), "");
    Bun.spawnSync(["mkfifo", join(at, "fifo")]);
    const files = Files.start(cache, host);
    const read = (path: string, offset: number, length: number) => [...files.read(path, offset, length)];
    try {
      expect(read(join(at, "link"), 250, 4)).toEqual([250, 0, 1, 2]);
      expect(read(join(at, "file"), 299_999, 100)).toEqual([299_999 % 251]);
      expect(read(join(at, "file"), 400_000, 100)).toEqual([]);
      expect(files.read(join(at, "file"), 0, 256 << 10).length).toBe(256 << 10);
      expect(() => files.read(join(at, "file"), 0, (256 << 10) + 1)).toThrow("not a question");
      expect(() => files.read(join(at, "file"), -1, 1)).toThrow("not a question");
      expect(() => files.read(join(at, "directory"), 0, 1)).toThrow("it is no file");
      expect(() => files.read(join(at, "fifo"), 0, 1)).toThrow("it is no file"); // at once: nobody writes into it
      expect(() => files.read(join(at, "nothing"), 0, 1)).toThrow("no such file");
      expect(() => files.read("/proc/self/status", 0, 1)).toThrow("it shows the kernel");
      expect(files.list(join(at, "directory"))).toEqual(["ü"]);
      expect(files.list(at).sort()).toEqual(["directory", "fifo", "file", "link"]);
      expect(() => files.list(join(at, "file"))).toThrow("not a directory");
      expect(() => files.list("/proc")).toThrow("it shows the kernel");
    } finally {
      files.close();
    }
  });

  test("what is packed and unpacked again is the same: owners, modes, times, attributes, links, holes, fifos", async () => {
    const long = "l".repeat(200);
    const from = await applied(
      archive(
        directory("d", { mode: 0o2755, uid: 5, gid: 6 }),
        pax([
          ["mtime", "1234567890.123456789"],
          ["SCHILY.xattr.user.a", "b\0c"],
          ["SCHILY.xattr.user.overlay.opaque", "y"],
        ]),
        file("d/f", "content", { mode: 0o4755, uid: 7, gid: 8 }),
        hardLink("d/again", "d/f"),
        symlink("d/link", `/${long}`),
        entry({ name: "d/fifo", type: "6" }),
        pax([["path", `d/${long}/${long}`]]),
        file("x", "deep"),
        pax([["mtime", "-1.5"]]),
        file("d/before", ""),
      ),
    );
    const { path, answer } = packed(from);
    expect(answer.entries).toBe(8);
    const to = await applied(readFileSync(path));
    expect(list(to)).toEqual(list(from));
    for (const name of [
      "d",
      "d/f",
      "d/again",
      "d/link",
      "d/fifo",
      "d/before",
      `d/${long}`,
      `d/${long}/${long}`,
    ]) {
      const { ino: _a, atimeNs: _b, blocks: _c, size: _d, ...wanted } = look(join(from, name));
      expect(look(join(to, name))).toMatchObject(wanted);
    }
    expect(readFileSync(path).includes("user.overlay")).toBe(false);
    expect(readFileSync(path).includes("SCHILY.xattr.user.a=b\0c")).toBe(true);
  });

  test("GNU tar reads what is packed, sparse files too", () => {
    const from = scratch();
    writeFileSync(join(from, "sparse"), "start");
    truncateSync(join(from, "sparse"), 20 << 20);
    const fd = openSync(join(from, "sparse"), "r+");
    closeSync(fd);
    mkdirSync(join(from, "n".repeat(200)));
    writeFileSync(join(from, "n".repeat(200), "f".repeat(200)), "x");
    symlinkSync("t".repeat(300), join(from, "link"));
    const { path } = packed(from);
    expect(statSync(path).size).toBeLessThan(64 << 10);
    const to = scratch();
    const tar = Bun.spawnSync(["tar", "-xf", path, "-C", to]);
    expect(tar.stderr.toString()).toBe("");
    expect(Bun.spawnSync(["diff", "-r", "--no-dereference", from, to]).stdout.toString()).toBe("");
  });

  test("the digests are those of the tar and of what gzip made of it, however many threads there are", () => {
    const from = scratch();
    for (let i = 0; i < 12; i++) writeFileSync(join(from, `f${i}`), Buffer.alloc(700_000, i));
    const { answer, path } = packed(from, { gzip: true, digests: true });
    const stored = readFileSync(path);
    expect(answer.digest).toBe(sha256(stored));
    const plain = Bun.spawnSync(["gzip", "-dc", path]).stdout;
    expect(answer.diffId).toBe(sha256(plain));
    expect(answer.sizeBytes).toBe(plain.length);
    const alone = Bun.spawnSync(["taskset", "-c", "0", "true"]).success;
    if (alone)
      expect(sha256(readFileSync(packed(from, { gzip: true, digests: true }).path))).toBe(sha256(stored));
  });

  test("ids of the host become those of a container, or root's", async () => {
    const from = await applied(archive(file("mine", ""), file("other", "", { uid: 7, gid: 8 })));
    chmodSync(from, 0o755);
    const names = (path: string) =>
      Bun.spawnSync(["tar", "--numeric-owner", "-tvf", path])
        .stdout.toString()
        .match(/\d+\/\d+/g);
    expect(names(packed(from, { owners: "map" }).path)).toEqual(["0/0", "7/8"]);
    expect(names(packed(from, { owners: "root" }).path)).toEqual(["0/0", "0/0"]);
  });

  test("a file that shrinks while it is read is filled up, and the archive stays whole", () => {
    const from = scratch();
    writeFileSync(join(from, "a"), Buffer.alloc(64 << 20, 97));
    writeFileSync(join(from, "b"), "behind");
    const { read, write } = pipe();
    const files = Files.start(cache, host, write);
    closeSync(write);
    files.ask({ do: "pack", path: from, base: "", follow: false, owners: "root" });
    const first = Buffer.alloc(4096);
    const size = readSync(read, first);
    truncateSync(join(from, "a"), 1 << 20);
    const rest = readFileSync(read);
    closeSync(read);
    files.hear();
    files.close();
    const path = join(scratch(), "t.tar");
    writeFileSync(path, Buffer.concat([first.subarray(0, size), rest]));
    const tar = Bun.spawnSync(["tar", "-tvf", path]);
    expect(tar.exitCode).toBe(0);
    expect(tar.stdout.toString()).toMatch(/67108864 .* a\n.* 6 .* b\n$/);
  });

  test.each([
    ["..", "the name leads out"],
    ["../x", "the name leads out"],
    ["a/../../x", "the name leads out"],
  ])("a name %p is refused", (name, why) => {
    expect(() => unpack(archive(entry({ name, content: "x" })), newTarget())).toThrow(why);
  });

  test("links of an archive, and hard links, lead nowhere but into the target", () => {
    const target = newTarget();
    const outside = join(target, "../outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "f"), "untouched");
    unpack(
      archive(
        symlink("abs", outside),
        symlink("up", "../outside"),
        file("abs/f", "overwritten"),
        file("up/f", "overwritten"),
        directory("dir"),
        symlink("dir/l", "../../outside/f"),
        file("dir/l", "replaced"),
      ),
      target,
    );
    expect(readFileSync(join(outside, "f"), "utf8")).toBe("untouched");
    expect(() => unpack(archive(hardLink("h", "../outside/f")), target)).toThrow("hard link out");
  });

  test("a link that is there already is replaced, never written through", () => {
    const target = newTarget();
    const outside = join(target, "../outside");
    writeFileSync(outside, "untouched");
    symlinkSync(outside, join(target, "f"));
    symlinkSync(join(target, ".."), join(target, "d"));
    unpack(archive(file("f", "new")), target);
    expect(readFileSync(outside, "utf8")).toBe("untouched");
    expect(readFileSync(join(target, "f"), "utf8")).toBe("new");
    expect(() => unpack(archive(directory("d"), file("d/outside", "overwritten")), target)).toThrow(
      "cannot overwrite non-directory with directory",
    );
    unpack(archive(directory("d"), file("d/outside", "in it")), target, { replace: true });
    expect(readFileSync(outside, "utf8")).toBe("untouched");
  });

  test("whiteouts are names like others here, and the target keeps its own mode and time", () => {
    const target = newTarget();
    writeFileSync(join(target, "kept"), "");
    utimesSync(target, 1000, 1000);
    chmodSync(target, 0o700);
    unpack(archive(directory("./", { mode: 0o777 }), file(".wh.kept", "x")), target);
    expect(list(target)).toEqual([".wh.kept = x", "kept = "]);
    expect(look(target).mode).toBe("700");
  });

  test("answers of nothing, of what is no directory, and of questions that are none", () => {
    const files = Files.start(cache, host);
    const path = join(scratch(), "f");
    writeFileSync(path, "text");
    expect(files.stat(path, false)).toMatchObject({ sizeBytes: 4, link: null });
    expect(files.stat(`${path}/x`, false)).toBeNull();
    expect(files.stat(`${path}/`, true)).toBeNull();
    expect(files.stat("/nosuch", false)).toBeNull();
    files.ask({ do: "unpack", path: "/tmp", owners: "mine", replace: false, foreign: false });
    expect(() => files.hear()).toThrow("not a question of this conversation"); // there is no archive
    files.close();
  });
});

describe.skipIf(layerMissing !== undefined)("layer-diff", () => {
  afterEach(removeAll);

  async function difference(
    upper: string,
    lower: string[],
    more: { mounts?: string[]; overlay?: boolean } = {},
  ) {
    const run = async (asList: boolean): Promise<Uint8Array> => {
      const target = scratch();
      const request = {
        upper,
        lower,
        target,
        mounts: [],
        overlay: true,
        mappings,
        ...more,
        list: asList,
        gzip: false,
      };
      const out = join(scratch(), "out");
      writeFileSync(out, "");
      const child = Bun.spawnSync(
        ["sh", "-c", 'exec "$0" layer-diff 3 3<"$1" 4>"$2"', helperPath, requestFile(request), out],
        { stderr: "inherit" },
      );
      const answer = JSON.parse(child.stdout.toString());
      if (answer.error) throw new Error(JSON.stringify(answer.error));
      return readFileSync(out);
    };
    const lines = Buffer.from(await run(true))
      .toString()
      .split("\0")
      .filter(Boolean);
    const tar = join(scratch(), "d.tar");
    writeFileSync(tar, await run(false));
    return {
      lines,
      names: Bun.spawnSync(["tar", "-tf", tar]).stdout.toString().split("\n").filter(Boolean),
      tar,
    };
  }

  function requestFile(request: object): string {
    const path = join(scratch(), "request");
    writeFileSync(path, JSON.stringify({ ...request, dataFd: 4 }));
    return path;
  }

  test("an overlay's upper directory over several layers", async () => {
    const bottom = await applied(
      archive(directory("d"), file("d/a", "1"), file("d/b", "1"), file("gone", "")),
    );
    const middle = await applied(archive(file("d/c", "2"), directory("e"), file("e/x", ""), file("e/y", "")));
    const upper = await applied(
      archive(
        file("d/a", "3"),
        file(".wh.gone", ""),
        file(".wh.never", ""),
        directory("e"),
        file("e/.wh..wh..opq", ""),
        file("e/x", "new"),
        file("new/deep/f", ""),
      ),
    );
    const found = await difference(upper, [middle, bottom]);
    expect(found.lines).toEqual([
      "C/d",
      "C/d/a",
      "C/e",
      "C/e/x",
      "D/e/y",
      "D/gone",
      "A/new",
      "A/new/deep",
      "A/new/deep/f",
    ]);
    expect(found.names).toEqual([
      "d/",
      "d/a",
      "e/",
      "e/.wh..wh..opq",
      "e/x",
      ".wh.gone",
      "new/",
      "new/deep/",
      "new/deep/f",
    ]);
  });

  test("two whole trees, by owner, mode, time, size and target", async () => {
    const tree = [
      directory("d"),
      file("d/same", "1"),
      symlink("link", "a"),
      file("mode", ""),
      file("owner", ""),
    ];
    const lower = await applied(archive(...tree, file("gone", ""), directory("away"), file("away/f", "")));
    const upper = await applied(archive(...tree));
    chmodSync(join(upper, "mode"), 0o600);
    const changed = await applied(
      archive(file("mode", "", { mode: 0o600 }), file("owner", "", { uid: 3 }), symlink("link", "b")),
      { target: upper },
    );
    const found = await difference(changed, [lower], { overlay: false });
    expect(found.lines).toEqual(["D/away", "D/gone", "C/link", "C/mode", "C/owner"]);
    expect(found.names).toEqual([".wh.away", ".wh.gone", "link", "mode", "owner"]);
  });

  test("places of mounts are left out as long as they are empty", async () => {
    const upper = await applied(
      archive(
        file("etc/hosts", ""),
        directory("proc"),
        directory("vol"),
        file("vol/f", "x"),
        directory("a/b/c"),
      ),
    );
    const mounts = ["/etc/hosts", "/proc", "/vol", "/a/b/c"];
    expect((await difference(upper, [], { mounts })).lines).toEqual(["A/vol", "A/vol/f"]);
    expect((await difference(upper, [])).lines.length).toBe(8);
  });

  test("the layer of a difference, applied to what it was taken from, makes the same tree", async () => {
    const lower = await applied(archive(directory("d"), file("d/a", "1"), file("d/b", "1"), file("x", "")));
    const upper = await applied(
      archive(file("d/.wh.a", ""), file("d/n", "new"), file("x", "more"), file("y", "")),
    );
    linkSync(join(upper, "y"), join(upper, "z"));
    const { tar } = await difference(upper, [lower]);
    await applied(readFileSync(tar), { target: lower, whiteouts: "delete" });
    expect(list(lower)).toEqual(["d/", "d/b = 1", "d/n = new", "x = more", "y = ", "z = "]);
    expect(look(join(lower, "y")).ino).toBe(look(join(lower, "z")).ino);
  });

  test("an upper directory that is not there is an error", async () => {
    const request = {
      upper: "/nosuch",
      lower: [],
      target: "/tmp",
      mounts: [],
      overlay: true,
      list: true,
      gzip: false,
    };
    const answer = await call("layer-diff", { ...request, dataFd: -1, mappings });
    expect(answer.error).toMatchObject({ step: "open directory", object: "/nosuch", errno: "ENOENT" });
    expect(answer.status).toBe(1);
  });
});
