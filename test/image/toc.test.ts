/** Tables of contents that come from nobody knows whom: what is wrong is refused, what is right becomes an index that holds together. */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { makeIndex } from "../../src/image/_lazy-index";
import { find, treeOf } from "../../src/image/_lazy-tree";
import { contentBytes, fetchContents, openChunk } from "../../src/image/_toc";
import type { RawEntry } from "../../src/image/_toc-format";
import type { Descriptor, Digest } from "../../src/oci";

const sum = (bytes: Uint8Array | string): Digest =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const position = "io.github.containers.zstd-chunked.manifest-position";
const checksum = "io.github.containers.zstd-chunked.manifest-checksum";

/** A layer whose blob is CONTENT and then a table of these entries. */
function layerOf(
  entries: unknown,
  content: Uint8Array = new Uint8Array(1000),
  annotations: Record<string, string> = {},
) {
  const text = Buffer.from(typeof entries === "string" ? entries : JSON.stringify({ version: 1, entries }));
  const table = zstdCompressSync(text);
  const blob = Buffer.concat([content, table]);
  const layer: Descriptor = {
    mediaType: "application/vnd.oci.image.layer.v1.tar+zstd",
    digest: sum(blob),
    size: blob.length,
    annotations: {
      [position]: `${content.length}:${table.length}:${text.length}:1`,
      [checksum]: sum(table),
      ...annotations,
    },
  };
  return { layer, read: () => fetchContents(layer, async (from, size) => blob.subarray(from, from + size)) };
}

const reason = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "taken",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

const file = (more: Partial<RawEntry> = {}): RawEntry => ({
  type: "reg",
  name: "a",
  mode: 0o644,
  size: 5,
  digest: sum("hello"),
  offset: 0,
  endOffset: 20,
  ...more,
});

describe("a table of zstd:chunked", () => {
  test("entries as they are meant", async () => {
    const { entries } = await layerOf([
      { type: "dir", name: "./d/", mode: 0o755, modtime: "2024-01-02T03:04:05.000000007Z" },
      file({ name: "/d//a", uid: 7, gid: 8 }),
      { type: "symlink", name: "d/l", linkName: "../x" },
      { type: "hardlink", name: "h", linkName: "d/a" },
    ]).read();
    expect(entries.map(({ path }) => path.join("/"))).toEqual(["d", "d/a", "d/l", "h"]);
    expect([entries[0]?.mtimeSeconds, entries[0]?.mtimeNanoseconds]).toEqual([1_704_164_645, 7]);
    expect(entries[1]).toMatchObject({ uid: 7, gid: 8, size: 5 });
    expect(entries[1]?.chunks).toEqual([
      { offset: 0, end: 20, inner: 0, size: 5, fileOffset: 0, digest: sum("hello") },
    ]);
  });

  test.each<[string, unknown, RegExp]>([
    ["a path that leads out", [file({ name: "../a" })], /a path with \.\./],
    ["a path that leads out inside", [file({ name: "a/../../b" })], /a path with \.\./],
    ["a name with a NUL", [file({ name: "a\0b" })], /a name that cannot be/],
    ["a lone surrogate", [file({ name: "a\ud800" })], /a name that cannot be/],
    ["no name", [{ type: "reg" }], /a name that cannot be/],
    ["a long name", [file({ name: "x".repeat(256) })], /too long a name/],
    ["a long path", [file({ name: "x/".repeat(3000) })], /too long a path/],
    ["an unknown type", [file({ type: "door" })], /an entry of the type "door"/],
    ["a negative size", [file({ size: -1 })], /a number that cannot be/],
    ["a size that is no number", [{ ...file(), size: "5" }], /a number that cannot be/],
    ["a huge size without as many pieces", [file({ size: 2 ** 50 })], /a piece of more than/],
    [
      "a hole of 4 GiB",
      [file({ size: 2 ** 32, chunkType: "zeros" })],
      /a hole of more than 4294967295 bytes/,
    ],
    ["a size beyond all numbers", [file({ size: 2 ** 60 })], /a number that cannot be/],
    ["an owner that cannot be", [file({ uid: 2 ** 33 })], /a number that cannot be/],
    ["a piece beyond the blob", [file({ endOffset: 10_000_000 })], /not within the layer/],
    ["a piece that ends before it begins", [file({ offset: 30, endOffset: 20 })], /not within the layer/],
    ["a piece without a digest", [{ ...file(), digest: undefined }], /a piece without a digest/],
    ["a digest that is none", [file({ digest: "sha256:zz" })], /a piece without a digest/],
    [
      "pieces with a gap",
      [file({ chunkSize: 2 }), { type: "chunk", name: "a", chunkOffset: 3, chunkSize: 2, offset: 5 }],
      /not follow|without a digest/,
    ],
    [
      "pieces that are too few",
      [file({ size: 50, chunkSize: 5, chunkDigest: sum("hello") })],
      /pieces that are not the file/,
    ],
    [
      "pieces that are too many",
      [
        file({ chunkSize: 5, chunkDigest: sum("hello") }),
        { type: "chunk", name: "a", chunkOffset: 5, chunkSize: 5, offset: 5, chunkDigest: sum("x") },
      ],
      /pieces that (are not the file|do not follow)/,
    ],
    ["a piece of another file", [file(), { type: "chunk", name: "b" }], /a piece of no file/],
    ["a piece first", [{ type: "chunk", name: "a" }], /a piece of no file/],
    ["a link to nothing", [{ type: "symlink", name: "l" }], /a link to nothing/],
    ["a link with a NUL", [{ type: "symlink", name: "l", linkName: "a\0" }], /a link that cannot be/],
    ["an entry that is none", [null], /an entry that is none/],
    ["attributes that are none", [{ ...file(), xattrs: { "user.a": 5 } }], /an attribute that cannot be/],
    [
      "attributes without end",
      [file({ xattrs: { "user.a": Buffer.alloc(70_000).toString("base64") } })],
      /too long attributes/,
    ],
    ["no JSON", "{", /it is no JSON/],
    ["another version", '{"version":2,"entries":[]}', /an unknown version/],
    ["no entries", '{"version":1}', /no list of entries/],
    ["null", "null", /no list of entries|unknown version/],
    [
      "files of more bytes together than any file system takes",
      Array.from({ length: 16_385 }, (_, at) => file({ name: `${at}`, size: 64 << 20 })),
      /its files have 1099578736640 bytes, the limit is 1099511627776/,
    ],
  ])("refuses %s", async (_what, entries, words) => {
    expect(await reason(layerOf(entries).read())).toMatch(words);
  });

  test("takes as many as the limit, and holes that are larger", async () => {
    const most = Array.from({ length: 16_384 }, (_, at) => file({ name: `${at}`, size: 64 << 20 }));
    const holes = Array.from({ length: 300 }, (_, at) =>
      file({ name: `hole${at}`, size: 2 ** 32 - 1, chunkType: "zeros" }),
    );
    const contents = await layerOf([...most, ...holes]).read();
    expect(contentBytes(contents)).toBe(2 ** 40);
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ["a wrong digest", { [checksum]: sum("x") }, /it has not sha256:/],
    ["a digest that is none", { [checksum]: "md5:0" }, /its digest is none/],
    ["a place beyond the blob", { [position]: "5000:10:10:1" }, /not within the layer/],
    ["a place of words", { [position]: "a:b:c:1" }, /not given as numbers/],
    ["another type", { [position]: "1000:10:10:2" }, /not given as numbers/],
    ["a table too large", { [position]: "0:10:99999999999:1" }, /the limit is/],
  ])("refuses %s", async (_what, annotations, words) => {
    expect(await reason(layerOf([file()], undefined, annotations).read())).toMatch(words);
  });

  test("a table that decompresses to more than it says is not read on", async () => {
    const { layer } = layerOf([file()]);
    const bomb = zstdCompressSync(Buffer.alloc(100 << 20));
    const blob = Buffer.concat([Buffer.alloc(1000), bomb]);
    const told: Descriptor = {
      ...layer,
      size: blob.length,
      annotations: { [position]: `1000:${bomb.length}:500:1`, [checksum]: sum(bomb) },
    };
    expect(await reason(fetchContents(told, async (from, size) => blob.subarray(from, from + size)))).toMatch(
      /cannot be decompressed/,
    );
  });

  test("attributes that mean something to overlay are left out", async () => {
    const xattrs = Object.fromEntries(
      [
        "user.overlay.opaque",
        "user.fuseoverlayfs.x",
        "trusted.overlay.opaque",
        "security.selinux",
        "user.mine",
        "security.capability",
      ].map((name) => [name, Buffer.from("y").toString("base64")]),
    );
    const { entries } = await layerOf([file({ xattrs })]).read();
    expect(entries[0]?.xattrs.map(([name]) => name)).toEqual(["user.mine", "security.capability"]);
  });
});

describe("a piece", () => {
  const plain = Buffer.from("hello");
  const chunk = { offset: 0, end: 0, inner: 0, size: 5, fileOffset: 0, digest: sum(plain) };

  test("is what its digest says, or nothing", async () => {
    expect(Buffer.from(await openChunk("zstd", chunk, zstdCompressSync(plain))).toString()).toBe("hello");
    expect(
      Buffer.from(await openChunk("gzip", { ...chunk, inner: 3 }, gzipSync("123hello456"))).toString(),
    ).toBe("hello");
    for (const bytes of [
      zstdCompressSync(Buffer.from("hellO")),
      Buffer.from("hello"),
      zstdCompressSync(Buffer.alloc(1 << 20)),
      Buffer.alloc(0),
    ])
      expect(await reason(openChunk("zstd", chunk, bytes))).toMatch(/^read piece: /);
  });
});

describe("the tree of a layer", () => {
  const tree = async (...entries: unknown[]) => treeOf((await layerOf(entries).read()).entries);
  const small = (name: string): RawEntry => ({ type: "reg", name, mode: 0o600 });

  test("whiteouts hide what is below, not what their own layer has", async () => {
    const root = await tree(
      small("a/.wh.gone"),
      small("b/.wh..wh..opq"),
      small("b/new"),
      small(".wh.c"),
      { type: "dir", name: "c" },
      small("d"),
      small(".wh.d"),
    );
    expect(find(root, ["a", "gone"])?.type).toBe("whiteout");
    expect([find(root, ["b"])?.isOpaque, find(root, ["b", "new"])?.type]).toEqual([true, "reg"]);
    expect([find(root, ["c"])?.type, find(root, ["c"])?.isOpaque]).toEqual(["dir", true]);
    expect(find(root, ["d"])?.type).toBe("reg");
  });

  test("hard links are one file; devices are left out", async () => {
    const root = await tree(
      small("a"),
      { type: "hardlink", name: "b", linkName: "/a" },
      { type: "char", name: "tty", devMajor: 5 },
    );
    expect(find(root, ["b"])).toBe(find(root, ["a"]) as never);
    expect(find(root, ["a"])?.links).toBe(2);
    expect(find(root, ["tty"])).toBeUndefined();
  });

  test.each<[string, unknown[]]>([
    [
      "a path through a link",
      [
        { type: "symlink", name: "l", linkName: "/" },
        { type: "reg", name: "l/a" },
      ],
    ],
    [
      "a path through a file",
      [
        { type: "reg", name: "f" },
        { type: "reg", name: "f/a" },
      ],
    ],
    ["a hard link to nothing", [{ type: "hardlink", name: "h", linkName: "none" }]],
    [
      "a hard link to a directory",
      [
        { type: "dir", name: "d" },
        { type: "hardlink", name: "h", linkName: "d" },
      ],
    ],
    ["a root that is a file", [{ type: "reg", name: "/" }]],
    [
      "a whiteout of everything",
      [
        { type: "reg", name: ".wh..." },
        { type: "reg", name: ".wh..." },
        { type: "reg", name: ".wh.." },
      ],
    ],
  ])("leaves %s to the unpacker", async (_what, entries) => {
    expect(await reason(tree(...entries))).toMatch(/^read table of contents: /);
  });
});

describe("the index", () => {
  /** Read it as the C half does. */
  function walk(bytes: Buffer) {
    const word = (at: number) => bytes.readUInt32LE(at);
    const [nodes, names, , , pool] = [24, 28, 32, 36, 40].map(word) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const text = (at: number, length: number) => bytes.toString("utf8", pool + at, pool + at + length);
    const found: string[] = [];
    const visit = (node: number, path: string, depth: number): void => {
      const at = nodes + node * 80;
      if ((word(at) & 0o170000) !== 0o040000 || depth > 20) return;
      const [first, count] = [word(at + 40), word(at + 44)];
      let before: Buffer | undefined;
      for (let i = first; i < first + count; i++) {
        const name = text(word(names + i * 16 + 4), word(names + i * 16 + 8));
        const own = Buffer.from(name);
        if (before !== undefined) expect(Buffer.compare(before, own)).toBeLessThan(0);
        before = own;
        found.push(`${path}${name}`);
        visit(word(names + i * 16), `${path}${name}/`, depth + 1);
      }
    };
    expect(bytes.toString("latin1", 0, 8)).toBe("PROALAZ1");
    visit(0, "", 0);
    return found;
  }

  test("has every name once, sorted by its bytes", async () => {
    const all = ["b/z", "b/a", "a", "b/é", "b/\u{1F600}", "b/\uffee", "b/Z"];
    const { entries, packing } = await layerOf(all.map((name) => ({ type: "reg", name }))).read();
    const index = makeIndex([{ name: "layer", blob: 0, packing, root: treeOf(entries) }], false);
    const names = walk(Buffer.from(index.bytes));
    expect(names.toSorted()).toEqual(
      ["layer", "layer/a", "layer/b", ...all.slice(0, 2), ...all.slice(3)]
        .map((name) => (name.startsWith("layer") ? name : `layer/${name}`))
        .toSorted(),
    );
  });

  test("takes the largest hole that a table may have", async () => {
    const { entries, packing } = await layerOf([file({ size: 2 ** 32 - 1, chunkType: "zeros" })]).read();
    const index = makeIndex([{ name: "layer", blob: 0, packing, root: treeOf(entries) }], false);
    expect(index.dataBytes).toBe(0);
    expect(walk(Buffer.from(index.bytes))).toEqual(["layer", "layer/a"]);
  });

  test("random tables: taken or refused, never anything else", async () => {
    let state = 12_345;
    const next = (limit: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return (state >>> 8) % limit;
    };
    const pick = <T>(list: readonly T[]): T => list[next(list.length)] as T;
    const values: unknown[] = [
      undefined,
      null,
      0,
      1,
      5,
      -1,
      1e9,
      2 ** 53,
      "5",
      "",
      {},
      [],
      true,
      "sha256:",
      sum("hello"),
    ];
    let taken = 0;
    for (let round = 0; round < 3000; round++) {
      const entries = Array.from({ length: next(6) }, () => {
        const name = Array.from({ length: 1 + next(3) }, () =>
          pick(["a", "b", "..", ".", "", ".wh.a", ".wh..wh..opq", "é"]),
        ).join("/");
        const entry: Record<string, unknown> = {
          type: pick(["reg", "reg", "dir", "symlink", "hardlink", "chunk", "fifo", "char"]),
          name,
          linkName: pick(["a", "b/a", "..", ""]),
        };
        if (next(3) === 0) Object.assign(entry, file({ name }));
        for (let change = next(3); change > 0; change--)
          entry[
            pick([
              "size",
              "offset",
              "endOffset",
              "chunkSize",
              "chunkOffset",
              "digest",
              "chunkDigest",
              "mode",
              "uid",
              "name",
              "modtime",
              "xattrs",
              "chunkType",
            ])
          ] = pick(values);
        return entry;
      });
      try {
        const { entries: read, packing } = await layerOf(entries).read();
        const index = makeIndex([{ name: "layer", blob: 0, packing, root: treeOf(read) }], round % 2 === 0);
        walk(Buffer.from(index.bytes));
        taken++;
      } catch (error) {
        expect(String(error)).toMatch(/^EngineError: read table of contents/);
      }
    }
    expect(taken).toBeGreaterThan(100);
  });
});
