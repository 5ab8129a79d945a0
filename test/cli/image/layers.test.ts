/** What layers do to a root file system, seen from a container; and what hostile ones must not do. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeImage, type Tree, tarOf, tinyImage, tinyLayer, useEngine } from "../../harness";
import { type Layer, makeLayer } from "../../harness/image";
import { FakeRegistry } from "../../registry/_fake";
import { expectNothingOf, strayFiles } from "./_spoilt";

const engine = useEngine();
let registry: FakeRegistry;
let count = 0;

beforeAll(async () => {
  registry = await FakeRegistry.start();
});
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

const config = { Env: ["PATH=/bin:/sbin"] };

/** Pull busybox with these layers on it; returns the name. */
async function pulled(...layers: (Tree | Layer)[]): Promise<string> {
  const image = await makeImage({ layers: [await tinyLayer(), ...layers], config });
  const name = registry.addImage(`layers${count++}`, "v1", image);
  await engine.ok(["pull", "-q", name]);
  return name;
}

const sh = (name: string, script: string, ...options: string[]) =>
  engine.ok(["run", "--rm", ...options, name, "sh", "-c", script]);

const DRIVERS = ["overlay", "fuse-overlayfs", "vfs"] as const;

describe.each(DRIVERS)("%s:", (driver) => {
  const proa = (...args: string[]) => engine.ok(["--storage-driver", driver, ...args]);
  const missing = driver === "fuse-overlayfs" && Bun.which("fuse-overlayfs") === null;

  test.skipIf(missing)("a layer that hides everything below it", async () => {
    const below = await makeLayer({ lost: "x", "etc/": "", "etc/passwd": "below:x:7:7::/:\n" });
    const image = await makeImage({ layers: [below, { ".wh..wh..opq": "" }, await tinyLayer()], config });
    const name = registry.addImage(`hidden-${driver}`, "v1", image);
    await proa("pull", "-q", name);
    expect(
      await proa(
        "run",
        "--rm",
        name,
        "sh",
        "-c",
        "ls -d /lost /bin 2>/dev/null; grep -c below /etc/passwd; true",
      ),
    ).toBe("/bin\n0");
    await proa("rmi", "-f", name);
  });

  test.skipIf(missing)("whiteouts, opaque directories, and what comes back above them", async () => {
    const image = await makeImage({
      layers: [
        await tinyLayer(),
        {
          "d/": "",
          "d/a": "a1",
          "d/b": "b1",
          "d/sub/": "",
          "d/sub/x": "x1",
          "gone/": "",
          "gone/y": "y",
          file: "f",
          "dir/": "",
          "dir/in": "1",
        },
        {
          "d/.wh.a": "",
          "d/sub/": "",
          "d/sub/.wh..wh..opq": "",
          "d/sub/new": "n2",
          ".wh.gone": "",
          ".wh.dir": "",
          dir: "now a file",
        },
        {
          "d/a": "a3",
          "gone/": "",
          "gone/z": "z3",
          ".wh.file": "",
          "file/": "",
          "file/in": "now a directory",
        },
      ],
      config,
    });
    const name = registry.addImage(`whiteouts-${driver}`, "v1", image);
    await proa("pull", "-q", name);
    const script = "cat d/a d/b; ls d d/sub gone file; cat dir file/in; find / -xdev -name '.wh*'";
    expect(await proa("run", "--rm", name, "sh", "-c", script)).toBe(
      "a3b1d:\na\nb\nsub\n\nd/sub:\nnew\n\nfile:\nin\n\ngone:\nz\nnow a filenow a directory",
    );
    await proa("rmi", name);
  });

  test.skipIf(missing)("runs, writes, and removes; the image stays as it is", async () => {
    const name = registry.addImage(
      `writes-${driver}`,
      "v1",
      await makeImage({ layers: [await tinyLayer(), { kept: "kept" }], config }),
    );
    await proa("pull", "-q", name);
    const change =
      "echo changed > kept; rm etc/passwd; mkdir new; echo n > new/n; ln kept new/hard; cat kept; chown 7:8 new; stat -c %u:%g new";
    expect(await proa("run", "--name", "writer", name, "sh", "-c", change)).toBe("changed\n7:8");
    expect(await proa("run", "--rm", name, "sh", "-c", "cat kept; ls etc/passwd; ls")).not.toContain("new");
    await proa("rm", "writer");
    await proa("rmi", name);
    expect(strayFiles(engine)).toEqual([]);
  });

  test.skipIf(missing)("a container goes on with what it wrote when it is started again", async () => {
    const name = registry.addImage(`again-${driver}`, "v1", await tinyImage());
    await proa("pull", "-q", name);
    await proa("run", "--name", "again", name, "sh", "-c", "echo x >> /log; wc -l < /log");
    expect((await proa("start", "-a", "again")).trim()).toBe("2");
    await proa("rm", "again");
    await proa("rmi", name);
  });
});

test("the driver may change from run to run, over one set of images", async () => {
  const name = await pulled({ switched: "yes" });
  const said: string[] = [];
  for (const driver of [
    "vfs",
    "overlay",
    ...(Bun.which("fuse-overlayfs") === null ? [] : ["fuse-overlayfs"]),
    "vfs",
  ]) {
    said.push(await engine.ok(["--storage-driver", driver, "run", "--rm", name, "cat", "/switched"]));
  }
  expect(new Set(said)).toEqual(new Set(["yes"]));
  await engine.ok(["rmi", name]);
  expect(strayFiles(engine)).toEqual([]);
});

describe("a layer's files arrive as they were packed:", () => {
  test("owners, modes, times, links", async () => {
    const name = await pulled({
      "t/": { type: "directory", mode: 0o1777 },
      "t/suid": { content: "s", mode: 0o4755, uid: 1000, gid: 2000, mtimeMs: 1_234_567_890_000 },
      "t/old": { content: "", mtimeMs: 0 },
      "t/far": { content: "", mtimeMs: 2_147_000_000_000 },
      "t/hard": { type: "link", target: "t/suid" },
      "t/soft": { type: "symlink", target: "suid", uid: 5, gid: 6 },
      "t/dangling": { type: "symlink", target: "/nowhere/at/all" },
      "t/sticky/": { type: "directory", mode: 0o2750, uid: 65534, gid: 65534, mtimeMs: 1_000_000_000_000 },
      "t/sticky/in": "x",
      "t/fifo": { type: "fifo", mode: 0o600 },
    });
    const text = await sh(
      name,
      "stat -c '%n %a %u:%g %h %Y %F' /t /t/*; readlink /t/soft; readlink /t/dangling",
    );
    expect(text.split("\n")).toEqual([
      "/t 1777 0:0 3 1704164645 directory",
      "/t/dangling 777 0:0 1 1704164645 symbolic link",
      "/t/far 644 0:0 1 2147000000 regular empty file",
      "/t/fifo 600 0:0 1 1704164645 fifo",
      "/t/hard 4755 1000:2000 2 1234567890 regular file",
      "/t/old 644 0:0 1 0 regular empty file",
      "/t/soft 777 5:6 1 1704164645 symbolic link",
      "/t/sticky 2750 65534:65534 2 1000000000 directory",
      "/t/suid 4755 1000:2000 2 1234567890 regular file",
      "suid",
      "/nowhere/at/all",
    ]);
  });

  test("a hard link to a file of a lower layer", async () => {
    const name = await pulled(
      { "low/": "", "low/file": "content" },
      { "low/file": "again", "low/link": { type: "link", target: "low/file" } },
    );
    expect(await sh(name, "cat /low/link; stat -c %h /low/link")).toBe("again2");
  });

  test("extended attributes, and a file capability that works", async () => {
    const capNetBind = Buffer.alloc(20); // struct vfs_cap_data, revision 2, effective: cap_net_bind_service (bit 10)
    capNetBind.writeUInt32LE(0x02000001, 0);
    capNetBind.writeUInt32LE(1 << 10, 4);
    const busybox = Bun.file("/bin/busybox");
    const name = await pulled({
      "cap/busybox": {
        content: new Uint8Array(await busybox.arrayBuffer()),
        mode: 0o755,
        xattrs: { "user.colour": "green", "security.capability": capNetBind.toString("latin1") },
      },
    });
    const caps = await engine.ok([
      "run",
      "--rm",
      "--user",
      "1000:1000",
      name,
      "/cap/busybox",
      "grep",
      "CapEff",
      "/proc/self/status",
    ]);
    expect(caps).toBe("CapEff:\t0000000000000400");
    const none = await engine.ok([
      "run",
      "--rm",
      "--user",
      "1000:1000",
      name,
      "grep",
      "CapEff",
      "/proc/self/status",
    ]);
    expect(none).toBe("CapEff:\t0000000000000000");
    // and it is no capability of the host's
    const chain = findFile(engine.sandbox.dataHome, "cap/busybox");
    expect(Bun.spawnSync([chain, "grep", "CapEff", "/proc/self/status"]).stdout.toString()).toContain(
      "0000000000000000",
    );
  });

  test("holes of a sparse archive stay holes", async () => {
    const directory = join(engine.sandbox.home, "sparse");
    Bun.spawnSync([
      "sh",
      "-c",
      `mkdir -p ${directory} && cd ${directory} && truncate -s 64M big && printf end >> big && tar --sparse --format=posix --owner=0 --group=0 -cf ../sparse.tar big`,
    ]);
    const layer = await makeLayer(
      new Uint8Array(await Bun.file(join(engine.sandbox.home, "sparse.tar")).arrayBuffer()),
    );
    const name = await pulled(layer);
    const [size = "", blocks = "", tail] = (await sh(name, "stat -c '%s %b' /big; tail -c 3 /big")).split(
      /\s/,
    );
    expect([size, tail]).toEqual([String(64 * 1024 * 1024 + 3), "end"]);
    expect(Number(blocks)).toBeLessThan(1000);
  });

  test("long names and targets, names that are no UTF-8, and a thousand files in a directory", async () => {
    const long = `${"d".repeat(200)}/${"e".repeat(200)}/${"f".repeat(200)}`;
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`many/${i}`, String(i)]));
    const name = await pulled({
      [`${"d".repeat(200)}/`]: "",
      [long]: "deep",
      to: { type: "symlink", target: long },
      "many/": "",
      ...many,
    });
    expect(await sh(name, "cat /to; ls /many | wc -l; cat /many/999")).toBe("deep1000\n999");
    const directory = join(engine.sandbox.home, "latin1");
    Bun.spawnSync([
      "sh",
      "-c",
      `mkdir -p ${directory} && cd ${directory} && touch "$(printf 'caf\\351')" && tar --format=gnu --owner=0 --group=0 -cf ../latin1.tar .`,
    ]);
    const latin1 = await pulled(
      await makeLayer(new Uint8Array(await Bun.file(join(engine.sandbox.home, "latin1.tar")).arrayBuffer())),
    );
    expect(await sh(latin1, "echo /caf* | od -An -c | tr -d ' '")).toBe("/caf351\\n");
  });

  test("devices are left out, as an ordinary user cannot make them; the rest of the layer is there", async () => {
    const name = await pulled({
      "devices/": "",
      "devices/null": { type: "character-device", major: 1, minor: 3 },
      "devices/disk": { type: "block-device", major: 8, minor: 0 },
      "devices/file": "f",
    });
    expect(await sh(name, "ls /devices")).toBe("file");
  });

  test("every tar that GNU tar writes of a tree gives the same tree", async () => {
    const directory = join(engine.sandbox.home, "tars");
    Bun.spawnSync([
      "sh",
      "-c",
      `mkdir -p ${directory}/src/sub && cd ${directory}/src && echo a > a && ln -s a l && echo b > sub/b && ln a sub/h && chmod 600 sub/b && touch -d @4000000000 sub/b`,
    ]);
    const seen = new Set<string>();
    for (const format of ["gnu", "posix", "ustar", "v7", "oldgnu"]) {
      const file = join(directory, `${format}.tar`);
      Bun.spawnSync([
        "tar",
        `--format=${format}`,
        "--owner=0",
        "--group=0",
        "--sort=name",
        "-C",
        join(directory, "src"),
        "--transform=s,^\\.,tree,S",
        "-cf",
        file,
        ".",
      ]);
      const name = await pulled(await makeLayer(new Uint8Array(await Bun.file(file).arrayBuffer())));
      seen.add(
        await sh(
          name,
          "cd /tree && find . | sort && stat -c '%n %a %h' a sub/b l && cat sub/h && stat -c %Y sub/b",
        ),
      );
    }
    expect([...seen]).toEqual([
      ".\n./a\n./l\n./sub\n./sub/b\n./sub/h\na 644 2\nsub/b 600 1\nl 777 1\na\n4000000000",
    ]);
  });
});

/** The file PATH in whichever unpacked layer has it. */
function findFile(dataHome: string, path: string): string {
  const layers = join(dataHome, "proa/layers/overlay");
  const found = readdirSync(layers)
    .map((name) => join(layers, name, path))
    .find((each) => existsSync(each));
  if (found === undefined) throw new Error(`${path} is in no layer`);
  return found;
}

describe("a hostile layer writes nothing outside of itself:", () => {
  /** Where every attack of this file aims: a file in the sandbox, and one in the store. */
  const targets = () => [
    join(engine.sandbox.home, "victim"),
    join(engine.sandbox.dataHome, "victim"),
    "/tmp/proa-test-victim",
  ];

  async function attack(
    layers: (Tree | Layer)[],
  ): Promise<{ name: string; stderr: string; exitCode: number }> {
    const { home, dataHome } = engine.sandbox;
    writeFileSync(join(home, "precious"), "precious");
    const before = readdirSync(dataHome).toSorted();
    const image = await makeImage({ layers: [await tinyLayer(), ...layers], config });
    const name = registry.addImage(`hostile${count++}`, "v1", image);
    const result = await engine.proa(["pull", "-q", name]);
    for (const target of targets()) expect(existsSync(target)).toBe(false);
    expect(readdirSync(dataHome).toSorted()).toEqual(before.length === 0 ? ["proa"] : before);
    expect(await Bun.file(join(home, "precious")).text()).toBe("precious");
    expect(strayFiles(engine)).toEqual([]);
    if (result.exitCode !== 0) {
      expect(result.stderr).toMatch(/^Error: pull image: \S+: unpack layer: sha256:[0-9a-f]{64}: /);
      expect(result.stderr).not.toContain("internal");
      await expectNothingOf(engine, name);
    }
    return { name, stderr: result.stderr, exitCode: result.exitCode };
  }

  const up = "../".repeat(20);

  test.each([
    ["names with ..", () => ({ [`${up}tmp/proa-test-victim`]: "x", "a/../../../victim": "x" })],
    ["absolute names", () => ({ [`${engine.sandbox.home}/victim`]: "x", "/tmp/proa-test-victim": "x" })],
    [
      "a symbolic link to the outside, then a file through it",
      () => ({ out: { type: "symlink", target: engine.sandbox.home }, "out/victim": "x" }),
    ],
    [
      "a relative link to the outside, then a file through it",
      () => ({ out: { type: "symlink", target: `${up}tmp` }, "out/proa-test-victim": "x" }),
    ],
    [
      "links that lead out in two steps",
      () => ({
        "d/": "",
        "d/up": { type: "symlink", target: ".." },
        "d/out": { type: "symlink", target: `up/${up}tmp` },
        "d/out/proa-test-victim": "x",
      }),
    ],
    [
      "a directory that becomes a link, then a file in it",
      () => ({ "d/": "", "d/in": "1", d: { type: "symlink", target: engine.sandbox.home }, "d/victim": "x" }),
    ],
    [
      "a link in place of a parent directory that exists below",
      () => ({ etc: { type: "symlink", target: engine.sandbox.home }, "etc/victim": "x" }),
    ],
    [
      "a hard link to a file outside",
      () => ({
        precious: { type: "link", target: `${up}${engine.sandbox.home.slice(1)}/precious` },
        "precious-too": { type: "link", target: join(engine.sandbox.home, "precious") },
      }),
    ],
    [
      "a hard link to a symbolic link to the outside, then written",
      () => ({
        s: { type: "symlink", target: join(engine.sandbox.home, "precious") },
        h: { type: "link", target: "s" },
        "./h": "overwritten",
      }),
    ],
    [
      "whiteouts of names outside",
      () => ({ [`${up}.wh.tmp`]: "", ".wh...": "", ".wh..": "", "d/.wh.../x": "" }),
    ],
    [
      "a whiteout through a link",
      () => ({ out: { type: "symlink", target: engine.sandbox.home }, "out/.wh.precious": "" }),
    ],
    [
      "an opaque mark through a link",
      () => ({ out: { type: "symlink", target: engine.sandbox.home }, "out/.wh..wh..opq": "" }),
    ],
  ] as [string, () => unknown][])("%s", async (_what, tree) => {
    const layer = await makeLayer(await tarOf(tree() as Tree));
    const { name, exitCode } = await attack([layer]);
    // Taken in (then everything landed inside) or refused: both are safe. What was taken in runs.
    if (exitCode === 0) {
      const text = await sh(name, "cat /precious /precious-too /h /out/victim 2>/dev/null; true");
      expect(text).not.toContain("precious");
    }
  });

  test.each([
    [
      "that a lower layer's link leads out",
      { out: { type: "symlink", target: "/tmp" } },
      { "out/proa-test-victim": "x" },
    ],
    [
      "that a lower layer's link stands where a directory is",
      { etc2: { type: "symlink", target: "../../../../../../tmp" } },
      { "etc2/": "", "etc2/proa-test-victim": "x" },
    ],
  ] as [string, Tree, Tree][])("%s", async (_what, lower, upper) => {
    await attack([lower, upper]);
    const image = await makeImage({ layers: [await tinyLayer(), lower, upper], config });
    const name = registry.addImage(`hostile${count++}`, "v1", image);
    await engine.proa(["--storage-driver", "vfs", "pull", "-q", name]); // unpacks one over the other
    for (const target of targets()) expect(existsSync(target)).toBe(false);
  });

  test.each([
    ["a PAX header of 200 MB", () => paxHeader(200 << 20)],
    ["a size beyond all bounds", () => header("x", "0", "77777777777")],
    [
      "a negative size in base 256",
      () =>
        header(
          "x",
          "0",
          Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ),
    ],
    [
      "a GNU long name without an end",
      () => Buffer.concat([header("././@LongLink", "L", "00010000000"), Buffer.alloc(1 << 20, "n")]),
    ],
    ["a checksum that is wrong", () => header("x", "0", "00000000000").fill(0x37, 148, 154)],
  ] as [string, () => Buffer][])("%s is refused", async (_what, make) => {
    const { exitCode, stderr } = await attack([await makeLayer(new Uint8Array(make()))]);
    expect(exitCode).toBe(1);
    expect(stderr.length).toBeLessThan(600);
  });

  test("names with control characters do not reach the terminal", async () => {
    const { stderr } = await attack([
      await makeLayer(
        await tarOf({
          "\x1b[31mred/x": { type: "link", target: "missing\x1b]0;title\x07" },
        } as unknown as Tree),
      ),
    ]);
    expect(stderr).not.toMatch(/\x1b|\x07/);
  });

  test("fifteen hundred nested directories neither crash nor hang", async () => {
    let path = "";
    const tree: Tree = {};
    for (let i = 0; i < 1500; i++) {
      path += "d/";
      tree[path] = "";
    }
    await attack([await makeLayer(await tarOf(tree))]);
  });

  test("a bomb of a quarter gigabyte of zeros is unpacked, and goes again", async () => {
    const head = header("zeros", "0", (256 << 20).toString(8).padStart(11, "0"));
    const tar = Buffer.concat([head, Buffer.alloc(256 << 20), Buffer.alloc(1024)]);
    const { name, exitCode } = await attack([await makeLayer(new Uint8Array(tar), { compression: "zstd" })]);
    expect(exitCode).toBe(0);
    await engine.ok(["rmi", name]);
    expect(strayFiles(engine)).toEqual([]);
  });
});

/** A ustar header with a right checksum. */
function header(name: string, type: string, size: string | Buffer): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write("0000644\0" + "0000000\0" + "0000000\0", 100);
  if (typeof size === "string") block.write(size, 124);
  else size.copy(block, 124);
  block.write("00000000000\0", 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((a, b) => a + b, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function paxHeader(sizeBytes: number): Buffer {
  return Buffer.concat([
    header("pax", "x", sizeBytes.toString(8).padStart(11, "0")),
    Buffer.alloc(4 << 20, "x"),
    header("f", "0", "00000000000"),
  ]);
}

test("the store's own directories stay closed to others", () => {
  const { dataHome } = engine.sandbox;
  expect(statSync(join(dataHome, "proa")).mode & 0o777).toBe(0o700);
  expect(statSync(join(dataHome, "proa/layers")).mode & 0o777).toBe(0o700);
});
