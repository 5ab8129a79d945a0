import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findInStack, listInStack, readFromStack } from "../../src/storage";

/** Layer directories, top first; a value is a file's text, `->TARGET` a link, `!` a whiteout, a name with `/` at its end a directory. */
class Stack implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), "proa-stack-"));
  readonly layers: string[];

  constructor(...trees: Record<string, string>[]) {
    this.layers = trees.map((tree, at) => {
      const layer = join(this.root, String(at));
      mkdirSync(layer);
      for (const [name, value] of Object.entries(tree)) put(join(layer, name), value);
      return layer;
    });
  }

  read(path: string): string | null {
    return readFromStack(this.layers, path);
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

function put(path: string, value: string): void {
  mkdirSync(path.endsWith("/") ? path : dirname(path), { recursive: true });
  if (path.endsWith("/")) return;
  if (value === "!")
    run(["mknod", path, "c", "0", "0"]); // what anybody may make: it is no device
  else if (value.startsWith("->")) symlinkSync(value.slice(2), path);
  else writeFileSync(path, value);
}

function run(command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command, { stdio: ["ignore", "ignore", "pipe"] });
  if (exitCode !== 0) throw new Error(stderr.toString());
}

describe("readFromStack()", () => {
  test("takes the topmost file, and merges directories", () => {
    using stack = new Stack({ "etc/passwd": "top" }, { "etc/passwd": "bottom", "etc/group": "group" });
    expect(stack.read("/etc/passwd")).toBe("top");
    expect(stack.read("etc//./group")).toBe("group");
    expect(stack.read("/etc/shadow")).toBeNull();
    expect(stack.read("/etc")).toBeNull();
    expect(stack.read("/etc/passwd/x")).toBeNull();
  });

  test("stops at whiteouts of files and directories", () => {
    using stack = new Stack({ "a/gone": "!", dir: "!" }, { "a/gone": "x", "dir/file": "y" });
    expect(stack.read("/a/gone")).toBeNull();
    expect(stack.read("/dir/file")).toBeNull();
  });

  test("shows what a layer above a whiteout put back", () => {
    using stack = new Stack({ "dir/new": "new" }, { dir: "!" }, { "dir/old": "old" });
    expect(stack.read("/dir/new")).toBe("new");
    expect(stack.read("/dir/old")).toBeNull();
  });

  test("hides a directory behind a file, and a file behind a directory", () => {
    using stack = new Stack({ a: "file", "b/": "" }, { "a/x": "x", b: "file" });
    expect(stack.read("/a/x")).toBeNull();
    expect(stack.read("/b")).toBeNull();
  });

  test("follows links across the layers", () => {
    using stack = new Stack(
      { "etc/passwd": "->../usr/etc/passwd", lib: "->usr/lib" },
      { "usr/etc/passwd": "->/real/passwd", "usr/lib/os": "os" },
      { "real/passwd": "real" },
    );
    expect(stack.read("/etc/passwd")).toBe("real");
    expect(stack.read("/lib/os")).toBe("os");
    expect(stack.read("/lib/../real/passwd")).toBeNull(); // as the kernel: usr/lib/.. is usr
    expect(stack.read("/lib/../../real/passwd")).toBe("real");
  });

  test("never leaves the stack", () => {
    const secret = mkdtempSync(join(tmpdir(), "proa-outside-"));
    writeFileSync(join(secret, "secret"), "secret");
    using stack = new Stack({
      absolute: `->${secret}/secret`,
      climbing: `->../../../../../../../../../..${secret}/secret`,
      directory: `->${secret}`,
    });
    expect(stack.read("/absolute")).toBeNull();
    expect(stack.read("/climbing")).toBeNull();
    expect(stack.read("/directory/secret")).toBeNull();
    expect(stack.read(`/../../../../../../..${secret}/secret`)).toBeNull();
    rmSync(secret, { recursive: true });
  });

  test("gives up on circles and on long chains of links", () => {
    using stack = new Stack({ a: "->b", b: "->a", self: "->self/x", grow: "->grow/grow/grow" });
    for (const name of ["a", "self", "grow"]) expect(stack.read(name)).toBeNull();
    const chain: Record<string, string> = { end: "end" };
    for (let n = 0; n < 50; n++) chain[`l${n}`] = n === 0 ? "->end" : `->l${n - 1}`;
    using long = new Stack(chain);
    expect(long.read("l30")).toBe("end");
    expect(long.read("l49")).toBeNull();
  });

  test("reads regular files of at most 1 MiB only", () => {
    using stack = new Stack({ big: "x".repeat((1 << 20) + 1), fits: "x".repeat(1 << 20) });
    run(["mkfifo", join(stack.layers[0] ?? "", "fifo")]);
    expect(stack.read("big")).toBeNull();
    expect(stack.read("fits")).toHaveLength(1 << 20);
    expect(stack.read("fifo")).toBeNull();
  });

  test("has nothing in an empty stack", () => {
    expect(readFromStack([], "/etc/passwd")).toBeNull();
  });
});

test("findInStack() tells the layer and the resolved path", () => {
  using stack = new Stack({ link: "->dir/file" }, { "dir/file": "x" });
  expect(findInStack(stack.layers, "/link")).toMatchObject({ layer: stack.layers[1], path: "/dir/file" });
});

describe("listInStack()", () => {
  const names = (stack: Stack, path: string, wanted = (_: string) => true) =>
    listInStack(stack.layers, path, wanted)
      ?.map(({ name, type }) => (type === "directory" ? `${name}/` : name))
      .sort();

  test("shows what overlay would: the union, without what is deleted above", () => {
    using stack = new Stack(
      { "bin/b": "", "bin/c": "!" },
      { "bin/a": "", "bin/b": "", "bin/c": "", "bin/d/": "" },
    );
    expect(names(stack, "/bin")).toEqual(["a", "b", "d/"]);
    expect(names(stack, "/bin", (name) => name > "a")).toEqual(["b", "d/"]);
  });

  test("follows links to the directory within the stack, and to nowhere outside", () => {
    using stack = new Stack({ bin: "->usr/bin" }, { "usr/bin/sh": "", up: "->../../../usr" });
    expect(names(stack, "/bin")).toEqual(["sh"]);
    expect(names(stack, "/up")).toEqual(["bin/"]);
    expect(names(stack, "/usr/bin/sh")).toBeUndefined();
    expect(names(stack, "/nope")).toBeUndefined();
  });

  test("tells what a link leads to, where that is asked", () => {
    using stack = new Stack({ "d/dir": "->/x", "d/file": "->/x/f", "d/none": "->/nope", "x/f": "text" });
    const stats = new Map(
      listInStack(stack.layers, "/d", () => true)?.map(({ name, stat }) => [name, stat()]),
    );
    expect(stats.get("dir")?.isDirectory()).toBe(true);
    expect(stats.get("file")?.isFile()).toBe(true);
    expect(stats.get("none")).toBeNull();
  });
});
