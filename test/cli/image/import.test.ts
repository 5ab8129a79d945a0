/** `import`: a tar archive of files becomes an image. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestOf, tarOf, tinyLayer, tinyMissing, useEngine } from "../../harness";

describe.skipIf(tinyMissing !== null)("import", () => {
  const engine = useEngine();
  let tar: Uint8Array;
  const at = (path: string) => join(engine.sandbox.home, path);
  const blobs = () => readdirSync(join(engine.sandbox.dataHome, "proa/images/blobs/sha256"));
  const inspect = async (name: string) => JSON.parse(await engine.ok(["image", "inspect", name]))[0];

  beforeAll(async () => {
    tar = Bun.gunzipSync(Buffer.from((await tinyLayer()).bytes));
    writeFileSync(at("root.tar"), tar);
  });
  afterAll(() => engine.assertNothingLeft());

  test("prints the id, and the image runs what --change says", async () => {
    const id = await engine.ok([
      "import",
      "-c",
      'CMD ["sh", "-c", "echo $A"]',
      "--change",
      "ENV A=imported",
      "-m",
      "said so",
      "root.tar",
      "flat:1",
    ]);
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await engine.ok(["run", "--rm", "flat:1"])).toBe("imported");
    const seen = await inspect("flat:1");
    expect(seen.Id).toBe(id);
    expect(seen.RootFS.Layers).toEqual([digestOf(tar)]);
    expect(await engine.ok(["history", "--format", "{{.Comment}}", "flat:1"])).toBe("said so");
  });

  test("what is exported comes back, from stdin, without a name", async () => {
    await engine.ok(["run", "--name", "one", "flat:1", "sh", "-c", "echo kept > /kept"]);
    const { bytes } = await engine.proa(["export", "one"]);
    await engine.ok(["rm", "one"]);
    const id = await engine.ok(["import", "-"], { stdin: bytes.stdout });
    expect(await engine.ok(["run", "--rm", id, "cat", "/kept"])).toBe("kept");
    expect((await inspect(id)).RepoTags).toEqual([]);
    expect(await engine.ok(["history", "--format", "{{.Comment}}", id])).toBe("Imported from -");
  });

  test("gzip and zstd stay as they are, xz and bzip2 are stored plain", async () => {
    const gzip = Bun.gzipSync(Buffer.from(tar));
    const zstd = Bun.zstdCompressSync(Buffer.from(tar));
    writeFileSync(at("root.tgz"), gzip);
    writeFileSync(at("root.tar.zst"), zstd);
    for (const [file, stored] of [
      ["root.tgz", gzip],
      ["root.tar.zst", zstd],
    ] as const) {
      await engine.ok(["import", file, `packed:${file}`]);
      expect(blobs()).toContain(digestOf(stored).slice(7));
      expect(await engine.ok(["run", "--rm", `packed:${file}`, "echo", file])).toBe(file);
    }
    for (const program of ["xz", "bzip2"]) {
      if (Bun.which(program) === null) continue;
      const packed = Bun.spawnSync([program, "-1c"], { stdin: Buffer.from(tar) }).stdout;
      await engine.ok(["import", "-", `packed:${program}`], { stdin: packed });
      expect((await inspect(`packed:${program}`)).RootFS.Layers).toEqual([digestOf(tar)]);
    }
  });

  test("from a URL, through redirects; an error page and a broken stream are told", async () => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname === "/moved") return Response.redirect("/root.tar");
        if (pathname === "/root.tar") return new Response(Buffer.from(tar));
        return new Response("<html>no</html>", { status: 404 });
      },
    });
    try {
      const base = `http://127.0.0.1:${server.port}`;
      await engine.ok(["import", `${base}/moved`, "web:1"]);
      expect(await engine.ok(["run", "--rm", "web:1", "echo", "ok"])).toBe("ok");
      const result = await engine.proa(["import", `${base}/none`]);
      expect(result.stderr).toContain("404");
      expect(result.exitCode).toBe(1);
    } finally {
      await server.stop(true);
    }
  });

  test("--os, --arch, --variant and --platform are the image's platform", async () => {
    const id = await engine.ok(["import", "--os", "linux", "--arch", "arm", "--variant", "v7", "root.tar"]);
    expect(await inspect(id)).toMatchObject({ Os: "linux", Architecture: "arm", Variant: "v7" });
    const other = await engine.ok(["import", "--platform", "linux/s390x", "root.tar"]);
    expect((await inspect(other)).Architecture).toBe("s390x");
    expect(
      (await engine.proa(["import", "--platform", "linux/s390x", "--os", "linux", "root.tar"])).exitCode,
    ).toBe(1);
  });

  test.each([
    ["text", "tar", async () => Buffer.from("hello\n".repeat(500))],
    ["nothing", "it is empty", async () => Buffer.alloc(0)],
    ["an archive cut short", "ends too early", async () => Buffer.from(tar.subarray(0, 100_000))],
    [
      "gzip cut short",
      "damaged gzip",
      async () => {
        const packed = Bun.gzipSync(Buffer.from(tar));
        return Buffer.from(packed.subarray(0, packed.length >> 1));
      },
    ],
    ["a name that leads out", "..", async () => Buffer.from(await tarOf({ "../evil": "x" }))],
  ] as const)("%s: refused, and nothing is left", async (_, reason, make) => {
    const before = blobs();
    const images = await engine.ok(["images", "-q"]);
    const result = await engine.proa(["import", "-", "bad:1"], { stdin: await make() });
    expect(result.stderr).toContain("import image: -: ");
    expect(result.stderr).toContain(reason);
    expect(result.stdout).toBe("");
    expect(result.exitCode).toBe(1);
    expect(blobs()).toEqual(before);
    expect(await engine.ok(["images", "-q"])).toBe(images);
    expect(readdirSync(join(engine.sandbox.dataHome, "proa/images/ingest"))).toEqual([]);
  });

  test("a directory, a file that is not there, a bad name and a bad instruction", async () => {
    for (const [args, reason] of [
      [["."], "is a directory"],
      [["none.tar"], "no such file or directory"],
      [["root.tar", "UPPER"], "lower case"],
      [["-c", "RUN true", "root.tar"], "RUN"],
    ] as const) {
      const result = await engine.proa(["import", ...args]);
      expect(result.stderr).toContain(reason);
      expect(result.exitCode).toBe(1);
    }
    expect(await engine.pty(["import", "-"]).exited).toBe(1);
    expect(readFileSync(at("root.tar")).length).toBe(tar.length);
  });
});
