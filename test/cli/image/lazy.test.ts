/** `--lazy`: containers that start before the layers of their image are here. A registry behind a gate holds the layers back, so what is seen was fetched piece by piece. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { extract } from "tar-stream";
import {
  type GatedRegistry,
  hostPlatform,
  makeImage,
  makeLayer,
  processesOf,
  pushImage,
  startGatedRegistry,
  tarOf,
  tinyLayer,
  useEngine,
  useRegistry,
  waitUntil,
} from "../../harness";
import { startGuarded } from "../registry/_registries";

const registry = useRegistry();
const engine = useEngine();

/** The same for the same seed. */
function noise(bytes: number, seed = 1): Buffer {
  const out = Buffer.alloc(bytes);
  let state = seed;
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    out[at] = state >>> 16;
  }
  return out;
}

const large = noise(3_500_000, 7);
let gate: GatedRegistry;

/** Three layers with all that a layer can have. */
async function makeOdd() {
  const content = await makeLayer({
    "data/large": large,
    "data/small": "small\n",
    "data/empty": "",
    "data/owned": { content: "mine", uid: 1000, gid: 2000, mode: 0o4750 },
    "data/tagged": { content: "tagged", xattrs: { "user.colour": "blue", "user.overlay.opaque": "y" } },
    "data/link": { type: "symlink", target: "small" },
    "data/hard": { type: "link", target: "data/small" },
    "data/pipe": { type: "fifo", mode: 0o600 },
    "data/ümlaut 名": "named\n",
    "data/sticky/": { type: "directory", mode: 0o1777, uid: 1000 },
    "hidden/a": "a",
    "hidden/b": "b",
    gone: "gone",
    "deep/er/and/deeper": noise(70_000, 3),
    "opt/busybox": { content: readFileSync("/bin/busybox"), mode: 0o755 },
  });
  const changes = await makeLayer({
    "hidden/.wh..wh..opq": "",
    "hidden/c": "c",
    ".wh.gone": "",
    "data/small2": "more",
    "etc/passwd": "root:x:0:0::/root:/bin/sh\nlazy:x:1234:1235::/:/bin/sh\n",
  });
  return makeImage({
    layers: [await tinyLayer(), content, changes],
    config: { Cmd: ["sh"], Env: ["PATH=/bin"] },
  });
}

let made = 0;

/** The odd image as zstd:chunked in a repository of its own. Returns its name at the gate. */
async function chunked(): Promise<string> {
  const name = `from${made}:v1`;
  await engine.ok(["pull", "-q", await pushImage(`${registry.host}/${name}`, await makeOdd())]);
  await engine.ok([
    "push",
    "-q",
    "--compression-format",
    "zstd:chunked",
    `${registry.host}/${name}`,
    `${registry.host}/lazy${made}:v1`,
  ]);
  await forget();
  return `${gate.host}/lazy${made++}:v1`;
}

/** No image and no container is left. */
async function forget(): Promise<void> {
  const ids = (await engine.ok(["ps", "-aq"])).split("\n").filter(Boolean);
  if (ids.length > 0) await engine.ok(["rm", "-f", ...ids]);
  const images = (await engine.ok(["images", "-q", "--no-trunc"])).split("\n").filter(Boolean);
  if (images.length > 0) await engine.ok(["rmi", "-f", ...new Set(images)]);
}

const fetchers = () => processesOf(engine.sandbox).filter(({ command }) => command.endsWith("__lazy"));
/** Processes that call themselves TITLE and the image of a container. */
const titled = (title: string, image: string) =>
  readdirSync("/proc").filter((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return command.startsWith(title) && command.includes(image.replace("sha256:", ""));
    } catch {
      return false;
    }
  });
const whenWhole = () =>
  waitUntil(() => fetchers().length === 0, { timeoutMs: 20_000, what: "end of the fetcher" });
const lazyRoots = () => {
  const path = join(engine.sandbox.home, "..", "data/proa/images/lazy");
  const other = join(engine.sandbox.env["XDG_DATA_HOME"] ?? "", "proa/images/lazy");
  return [path, other].filter((each) => existsSync(each)).flatMap((each) => readdirSync(each));
};

beforeAll(() => {
  gate = startGatedRegistry(() => registry.host);
});
afterAll(() => gate.stop());
afterEach(async () => {
  gate.open();
  gate.letGo();
  await whenWhole();
  await forget();
});

/** What a container shows of its files: all of `proa export`, names to what they are. */
async function filesOf(container: string): Promise<Map<string, object>> {
  const { bytes } = await engine.proa(["export", container]);
  const files = new Map<string, object>();
  const archive = extract();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  archive.on("entry", (header, stream, next) => {
    const hash = createHash("sha256");
    stream.on("data", (chunk) => hash.update(chunk as Buffer));
    stream.on("end", () => {
      const { name, type, mode, uid, gid, size, linkname, mtime } = header;
      const attributes = Object.entries(header.pax ?? {}).filter(([key]) => key.startsWith("SCHILY.xattr."));
      const isOwn =
        /^(dev|proc|sys|etc\/(hosts|hostname|resolv\.conf)|run)(\/|$)/.test(name) || name === "./";
      if (!isOwn) {
        const time = type === "directory" ? 0 : mtime?.getTime(); // a directory that no layer names gets the time of its making
        files.set(name, {
          type,
          mode,
          uid,
          gid,
          size,
          linkname,
          attributes,
          time,
          digest: hash.digest("hex"),
        });
      }
      next();
    });
  });
  archive.on("finish", resolve);
  archive.on("error", reject);
  archive.end(Buffer.from(bytes.stdout));
  await promise;
  return files;
}

describe("run --lazy", () => {
  test("starts before any layer is here, and shows what an ordinary pull shows", async () => {
    const name = await chunked();
    gate.hold(100_000);
    const id = await engine.ok(["run", "-d", "--lazy", "--name", "early", name, "sleep", "1000"]);
    expect(fetchers()).toHaveLength(1);
    expect(gate.ranges).toBeGreaterThan(0);
    expect(await engine.ok(["exec", "early", "cat", "/data/small", "/data/link", "/data/hard"])).toBe(
      "small\nsmall\nsmall",
    );
    expect(await engine.ok(["exec", "early", "sh", "-c", "ls /hidden; cat /gone 2>&1; true"])).toBe(
      "c\ncat: can't open '/gone': No such file or directory",
    );
    const early = await filesOf(id);
    expect(fetchers()).toHaveLength(1); // all of that came before the layers
    gate.letGo();
    await whenWhole();
    expect(await filesOf(id)).toEqual(early); // now from the layers
    await forget();
    await engine.ok(["pull", "-q", name]);
    const usual = await engine.ok(["run", "-d", name, "sleep", "1000"]);
    const ordinary = await filesOf(usual);
    expect([...early.keys()].sort()).toEqual([...ordinary.keys()].sort());
    for (const [path, file] of ordinary) expect([path, early.get(path)]).toEqual([path, file]);
    expect(ordinary.size).toBeGreaterThan(20);
  }, 60_000);

  test("the next run is an ordinary one, and the store is as after a pull", async () => {
    const name = await chunked();
    await engine.ok(["run", "--rm", "--lazy", name, "true"]);
    await whenWhole();
    expect(lazyRoots()).toEqual([]);
    await engine.ok(["system", "check"]);
    const before = gate.ranges;
    expect(await engine.ok(["run", "--rm", "--lazy", name, "sha256sum", "/data/large"])).toStartWith(
      createHash("sha256").update(large).digest("hex"),
    );
    expect(gate.ranges).toBe(before);
    expect(fetchers()).toEqual([]);
  }, 60_000);

  test("pieces of a large file, programs, and two containers at once", async () => {
    const name = await chunked();
    gate.hold(100_000);
    await engine.ok(["run", "-d", "--lazy", "--name", "one", name, "sleep", "1000"]);
    await engine.ok(["run", "-d", "--lazy", "--name", "two", name, "sleep", "1000"]);
    expect(fetchers()).toHaveLength(1);
    const read = (container: string, at: number, bytes: number) =>
      engine.proa(["exec", container, "dd", "if=/data/large", "bs=1", `skip=${at}`, `count=${bytes}`]);
    for (const [container, at, bytes] of [
      ["one", 3_000_000, 30],
      ["two", 1_048_570, 30],
      ["one", 12, 30],
      ["two", 3_499_990, 10],
    ] as const) {
      const { bytes: read_ } = await read(container, at, bytes);
      expect(Buffer.from(read_.stdout).equals(large.subarray(at, at + bytes))).toBe(true);
    }
    expect(await engine.ok(["exec", "two", "/opt/busybox", "echo", "it runs"])).toBe("it runs");
    expect(await engine.ok(["exec", "one", "sh", "-c", "echo more >>/data/small && cat /data/small"])).toBe(
      "small\nmore",
    );
    expect(await engine.ok(["exec", "two", "cat", "/data/small"])).toBe("small");
    gate.letGo();
    await whenWhole();
    expect(await engine.ok(["exec", "one", "sh", "-c", "cat /data/small; sha256sum </data/large"])).toBe(
      `small\nmore\n${createHash("sha256").update(large).digest("hex")}  -`,
    );
  }, 60_000);

  test("users of the image's own passwd are known", async () => {
    const name = await chunked();
    gate.hold(100_000);
    expect(await engine.ok(["run", "--rm", "--lazy", "-u", "lazy", name, "id", "-u"])).toBe("1234");
    gate.letGo();
    await whenWhole();
  }, 60_000);

  test("the file system's process is small, and ends with the container", async () => {
    const name = await chunked();
    gate.hold(100_000);
    const id = await engine.ok(["run", "-d", "--lazy", "--name", "small", name, "sleep", "1000"]);
    const image = await engine.ok(["inspect", "-f", "{{.Image}}", id]);
    const servers = () => titled("proa-lazyfs", image);
    expect(servers()).toHaveLength(1);
    expect(await engine.ok(["exec", "small", "ps", "-o", "args"])).not.toContain("lazyfs");
    await engine.ok(["rm", "-f", "small"]);
    await waitUntil(() => servers().length === 0, { what: "end of the file system" });
    gate.letGo();
    await whenWhole();
  }, 60_000);
});

describe("what can go wrong", () => {
  const read = (container: string, path: string, timeoutMs = 40_000) =>
    engine.proa(["exec", container, "sha256sum", path], { timeoutMs });
  const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

  test("the registry has other bytes: reading them fails, and nothing else", async () => {
    const name = await chunked();
    const [, path = "", tag = ""] = /^[^/]+\/(.+):(.+)$/.exec(name) ?? [];
    const manifest = (await (
      await fetch(`http://${registry.host}/v2/${path}/manifests/${tag}`, {
        headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
      })
    ).json()) as { layers: { digest: string; size: number }[] };
    const layer = manifest.layers[1] ?? { digest: "", size: 0 };
    const hex = layer.digest.slice("sha256:".length);
    const file = join(registry.storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
    const bytes = readFileSync(file);
    const good = Buffer.from(bytes);
    bytes[2_000_000] = 255 - (bytes[2_000_000] ?? 0); // within the large file
    writeFileSync(file, bytes);
    gate.hold(100_000);
    try {
      await engine.ok(["run", "-d", "--lazy", "--name", "bad", name, "sleep", "1000"]);
      const { exitCode, stderr } = await read("bad", "/data/large");
      expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/I\/O error|Input\/output error/)]);
      expect(await engine.ok(["exec", "bad", "cat", "/data/small"])).toBe("small");
      gate.letGo();
      await whenWhole(); // it has given up: the layer has not its digest
      expect(await engine.ok(["why", "bad"])).toMatch(/wrong digest|not what/);
      const again = await engine.proa(["run", "--rm", name, "true"]);
      expect([again.exitCode, again.stderr]).toEqual([0, ""]); // what it needs is here
      await whenWhole();
    } finally {
      writeFileSync(file, good);
    }
  }, 60_000);

  test("the registry goes away, and comes back", async () => {
    const name = await chunked();
    gate.hold(100_000);
    await engine.ok(["run", "-d", "--lazy", "--name", "away", name, "sleep", "1000"]);
    gate.shut();
    const failed = await read("away", "/data/large");
    expect([failed.exitCode, failed.stderr]).toEqual([
      1,
      expect.stringMatching(/I\/O error|Input\/output error/),
    ]);
    gate.open();
    expect((await read("away", "/data/large")).stdout).toStartWith(sum(large));
    await whenWhole();
    expect((await read("away", "/deep/er/and/deeper")).stdout).toStartWith(sum(noise(70_000, 3)));
    expect(lazyRoots()).toEqual([]);
  }, 120_000);

  /** And those that a container brings which has just been started, and reads its program. */
  const killFetcher = () =>
    waitUntil(
      () => {
        for (const { pid } of fetchers()) Bun.spawnSync(["kill", "-KILL", String(pid)]); // or it has just ended
        return fetchers().length === 0;
      },
      { what: "end of the fetcher" },
    );

  test("the fetcher is killed: a container that reads what is missing brings another", async () => {
    const name = await chunked();
    gate.hold(100_000);
    await engine.ok(["run", "-d", "--lazy", "--name", "reads", name, "sleep", "1000"]);
    await waitUntil(
      async () => {
        await killFetcher();
        return (await engine.ok(["why", "reads"])).includes("nobody fetches them until they are read");
      },
      { what: "what why says of a fetcher that was killed" },
    );
    expect((await read("reads", "/data/large")).stdout).toStartWith(sum(large));
    expect(fetchers()).toHaveLength(1);
    gate.letGo();
    await whenWhole();
    expect(lazyRoots()).toEqual([]);
    const image = await engine.ok(["inspect", "-f", "{{.Image}}", "reads"]);
    expect(titled("proa-keeper", image)).toHaveLength(1);
    await engine.ok(["rm", "-f", "reads"]);
    await waitUntil(() => titled("proa-keeper", image).length === 0, { what: "end of the keeper" });
  }, 120_000);

  test("the fetcher is killed: what the restart policy starts again finds what is missing, its own program too", async () => {
    const name = await chunked();
    gate.hold(100_000);
    const script =
      "[ -e /second ] && exec /opt/busybox sha256sum /data/large; >/second; echo first; sleep 1000";
    const policy = ["--restart", "on-failure:1"];
    const id = await engine.ok([
      "run",
      "-d",
      "--lazy",
      ...policy,
      "--name",
      "again",
      name,
      "sh",
      "-c",
      script,
    ]);
    await waitUntil(async () => (await engine.ok(["logs", id])) === "first");
    const pid = Number(await engine.ok(["inspect", "-f", "{{.State.Pid}}", id]));
    await killFetcher();
    process.kill(pid, "SIGKILL");
    // `wait` would tell of the first life, where the supervisor has not seen its end yet
    await waitUntil(
      async () =>
        (await engine.ok(["inspect", "-f", "{{.State.Status}} {{.RestartCount}}", id])) === "exited 1",
      { timeoutMs: 50_000, what: "end of the second life" },
    );
    expect(await engine.ok(["wait", id])).toBe("0");
    expect(await engine.ok(["logs", id])).toContain(sum(large));
  }, 120_000);

  test("nobody can fetch: reading what is missing fails, and goes on when somebody can again", async () => {
    const name = await chunked();
    gate.hold(100_000);
    await engine.ok(["run", "-d", "--lazy", "--name", "away", name, "sleep", "1000"]);
    gate.shut();
    await killFetcher();
    const failed = await read("away", "/data/large", 110_000);
    expect([failed.exitCode, failed.stderr]).toEqual([
      1,
      expect.stringMatching(/I\/O error|Input\/output error/),
    ]);
    gate.open();
    await waitUntil(async () => (await read("away", "/data/large", 110_000)).stdout.startsWith(sum(large)), {
      timeoutMs: 110_000,
    });
  }, 240_000);

  test("the fetcher is killed: the next start brings another, for the containers of before, too", async () => {
    const name = await chunked();
    gate.hold(100_000);
    await engine.ok(["run", "-d", "--lazy", "--name", "before", name, "sleep", "1000"]);
    await killFetcher();
    expect(await engine.ok(["run", "--rm", name, "cat", "/data/small"])).toBe("small"); // an image that is half here needs no --lazy
    expect((await read("before", "/data/large")).stdout).toStartWith(sum(large));
    gate.letGo();
    await whenWhole();
    await engine.ok(["system", "check"]);
    expect(lazyRoots()).toEqual([]);
  }, 120_000);

  test("the supervisor is killed: the file system goes with it, and the container can be started again", async () => {
    const name = await chunked();
    gate.hold(100_000);
    await engine.ok(["run", "-d", "--lazy", "--name", "orphan", name, "sleep", "1000"]);
    const id = await engine.ok(["inspect", "-f", "{{.Id}}", "orphan"]);
    for (const { pid, command } of processesOf(engine.sandbox))
      if (command.startsWith("proa-supervise") && command.includes(id.slice(0, 12)))
        process.kill(pid, "SIGKILL");
    await waitUntil(async () => (await engine.ok(["ps", "-q"])) === "");
    await engine.ok(["start", "orphan"]);
    expect((await read("orphan", "/data/large")).stdout).toStartWith(sum(large));
  }, 60_000);

  test("what the fetcher has written is removed while a container starts", async () => {
    const name = await chunked();
    gate.hold(100_000);
    await engine.ok(["pull", "-q", "--lazy", name]);
    const programs = mkdtempSync(join(engine.sandbox.home, "bin-"));
    const real = Bun.which("newuidmap") ?? "/usr/bin/newuidmap";
    const files = ["index", "data", "there"].map((file) => `"$XDG_DATA_HOME"/proa/images/lazy/*/${file}`);
    // The start waits for this program, after it has seen that layers are missing.
    const script = `#!/bin/sh\nrm -f ${files.join(" ")}; exec ${real} "$@"\n`;
    writeFileSync(join(programs, "newuidmap"), script, { mode: 0o755 });
    const env = { PATH: `${programs}:${engine.sandbox.env["PATH"] ?? process.env["PATH"]}` };
    const { stdout, stderr, exitCode } = await engine.proa(
      ["run", "--rm", "--network", "none", name, "cat", "/data/small"], // netd would need the program, too
      { env },
    );
    expect([stdout, stderr, exitCode]).toEqual(["small\n", "", 0]);
    expect(fetchers()).toHaveLength(1);
  }, 60_000);

  test("the image is removed while it comes", async () => {
    const name = await chunked();
    gate.hold(100_000);
    await engine.ok(["run", "-d", "--lazy", "--name", "stays", name, "sleep", "1000"]);
    await engine.ok(["rm", "-f", "stays"]);
    expect(fetchers()).toHaveLength(1);
    await engine.ok(["rmi", "-f", name]);
    await whenWhole();
    expect(await engine.ok(["images", "-q"])).toBe("");
    expect(lazyRoots()).toEqual([]);
    await engine.ok(["system", "check"]);
  }, 60_000);

  test("a layer without a table of contents: an ordinary pull, which is said", async () => {
    const name = await pushImage(`${registry.host}/plain:v1`, await makeOdd());
    const { stdout, stderr, exitCode } = await engine.proa([
      "run",
      "--rm",
      "--lazy",
      name,
      "cat",
      "/data/small",
    ]);
    expect([stdout, exitCode]).toEqual(["small\n", 0]);
    expect(stderr).toMatch(
      /Warning: .*plain:v1 is pulled whole: layer sha256:[0-9a-f]{12} has no table of contents/,
    );
  });

  test("tables that together tell of more than any disk has: an ordinary pull, which is said", async () => {
    const sum = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const absurd = async (tree: Record<string, string>, pieces: number) => {
      const layer = await makeLayer(tree, { compression: "zstd" });
      const entries = Array.from({ length: pieces }, (_, at) => ({
        type: "reg",
        name: `absurd/${at}`,
        size: 64 << 20,
        digest: sum(Buffer.from("x")),
        endOffset: layer.bytes.length,
      }));
      const text = Buffer.from(JSON.stringify({ version: 1, entries }));
      const table = zstdCompressSync(text);
      const frame = Buffer.alloc(8); // one that decoders skip
      frame.writeUInt32LE(0x184d2a50, 0);
      frame.writeUInt32LE(table.length, 4);
      const bytes = Buffer.concat([layer.bytes, frame, table]);
      const annotations = {
        "io.github.containers.zstd-chunked.manifest-position": `${layer.bytes.length + 8}:${table.length}:${text.length}:1`,
        "io.github.containers.zstd-chunked.manifest-checksum": sum(table),
      };
      return { layer: { ...layer, bytes, digest: sum(bytes) }, annotations };
    };
    const both = [await absurd({ one: "1\n" }, 10_000), await absurd({ two: "2\n" }, 10_000)];
    const image = await makeImage({
      layers: [await tinyLayer(), ...both.map(({ layer }) => layer)],
      config: { Env: ["PATH=/bin"] },
    });
    const manifest = JSON.parse(Buffer.from(image.top.bytes).toString()) as { layers: object[] };
    manifest.layers = manifest.layers.map((each, at) => ({
      ...each,
      ...(at > 0 && { annotations: both[at - 1]?.annotations }),
    }));
    const bytes = Buffer.from(JSON.stringify(manifest));
    const name = `${registry.host}/absurd:v1`;
    await pushImage(name, { ...image, top: { ...image.top, bytes, digest: sum(bytes) } });
    const base = await makeImage({ layers: [await tinyLayer()], config: {} }); // whose layer has no table, and is to be here
    await engine.ok(["pull", "-q", await pushImage(`${registry.host}/tiny-base:v1`, base)]);
    const { stdout, stderr, exitCode } = await engine.proa([
      "run",
      "--rm",
      "--lazy",
      name,
      "cat",
      "/one",
      "/two",
    ]);
    expect([stdout, exitCode]).toEqual(["1\n2\n", 0]);
    expect(stderr).toMatch(
      /Warning: .*absurd:v1 is pulled whole: .*its files have 1342177280000 bytes, the limit is/,
    );
  });

  test("a registry that sends no parts of blobs: an ordinary pull, which is said", async () => {
    const name = await chunked();
    gate.hasParts = false;
    const { stdout, stderr, exitCode } = await engine.proa([
      "run",
      "--rm",
      "--lazy",
      name,
      "cat",
      "/data/small",
    ]);
    gate.hasParts = true;
    expect([stdout, exitCode]).toEqual(["small\n", 0]);
    expect(stderr).toMatch(/Warning: .* is pulled whole: .*the registry sends no parts of blobs/);
  });

  test("an image that is not there, or never to be pulled: the errors of a pull", async () => {
    const none = await engine.proa(["run", "--lazy", `${registry.host}/none:v1`]);
    expect([none.exitCode, none.stderr]).toEqual([125, expect.stringContaining("none:v1")]);
    expect(none.stderr).toMatch(/manifest unknown|not found|repository name not known/i);
    const never = await engine.proa(["run", "--lazy", "--pull", "never", `${registry.host}/none:v1`]);
    expect([never.exitCode, never.stderr]).toEqual([125, expect.stringContaining("No such image")]);
  });
});

/** A layer as stargz-snapshotter writes it (docs/estargz.md): a gzip member for each piece of a file, the table in the last file of the tar, a footer. */
async function stargzLayer(files: Record<string, Uint8Array>) {
  const members: Buffer[] = [];
  const plain: Buffer[] = [];
  let pending = Buffer.alloc(0);
  const entries: object[] = [];
  const position = () => members.reduce((all, { length }) => all + length, 0);
  const flush = (): void => {
    if (pending.length > 0) members.push(gzipSync(pending));
    plain.push(pending);
    pending = Buffer.alloc(0);
  };
  const sum = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const fileIn = async (name: string, bytes: Uint8Array) =>
    Buffer.from(await tarOf({ [name]: { content: bytes, mode: 0o755 } })).subarray(
      0,
      512 + Math.ceil(bytes.length / 512) * 512,
    );
  for (const [name, bytes] of Object.entries(files)) {
    const tar = await fileIn(name, bytes);
    pending = Buffer.concat([pending, tar.subarray(0, 512)]);
    flush();
    const half = bytes.length >> 1;
    entries.push({
      type: "reg",
      name,
      size: bytes.length,
      mode: 0o755,
      modtime: "2024-01-02T03:04:05Z",
      digest: sum(bytes),
      offset: position(),
      chunkSize: half,
      chunkDigest: sum(bytes.subarray(0, half)),
    });
    pending = Buffer.from(tar.subarray(512, 512 + half));
    flush();
    entries.push({
      type: "chunk",
      name,
      offset: position(),
      chunkOffset: half,
      chunkSize: bytes.length - half,
      chunkDigest: sum(bytes.subarray(half)),
    });
    pending = Buffer.from(tar.subarray(512 + half)); // and the padding, and what follows
  }
  flush();
  const table = Buffer.from(JSON.stringify({ version: 1, entries }));
  const at = position();
  pending = Buffer.concat([await fileIn("stargz.index.json", table), Buffer.alloc(1024)]);
  flush();
  const extra = Buffer.from(`SG\x16\0${at.toString(16).padStart(16, "0")}STARGZ`, "latin1");
  const footer = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, extra.length, 0]),
    extra,
    Buffer.from([1, 0, 0, 0xff, 0xff]),
    Buffer.alloc(8),
  ]);
  expect(footer.length).toBe(51);
  const layer = await makeLayer(new Uint8Array(Buffer.concat(plain)), { compression: "none" });
  const bytes = Buffer.concat([...members, footer]);
  return {
    layer: { ...layer, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", bytes, digest: sum(bytes) },
    annotations: { "containerd.io/snapshot/stargz/toc.digest": sum(table) },
  };
}

describe("eStargz", () => {
  test("starts from the table of contents, too", async () => {
    const { layer, annotations } = await stargzLayer({
      "bin/busybox": readFileSync("/bin/busybox"),
      "data/large": large,
    });
    const image = await makeImage({ layers: [layer], config: { Cmd: ["/bin/busybox"], Env: ["PATH=/bin"] } });
    const manifest = JSON.parse(Buffer.from(image.top.bytes).toString()) as { layers: object[] };
    manifest.layers = manifest.layers.map((each) => ({ ...each, annotations }));
    const bytes = Buffer.from(JSON.stringify(manifest));
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    await pushImage(`${registry.host}/stargz:v1`, { ...image, top: { ...image.top, bytes, digest } });
    gate.hold(100_000);
    const name = `${gate.host}/stargz:v1`;
    const hex = createHash("sha256").update(large).digest("hex");
    expect(
      await engine.ok(["run", "--rm", "--lazy", name, "/bin/busybox", "sha256sum", "/data/large"]),
    ).toStartWith(hex);
    expect(fetchers()).toHaveLength(1);
    gate.letGo();
    await whenWhole();
    expect(await engine.ok(["run", "--rm", name, "/bin/busybox", "sha256sum", "/data/large"])).toStartWith(
      hex,
    );
  }, 60_000);
});

describe("other ways", () => {
  test("layers that are here already are used as they are", async () => {
    const name = await chunked();
    const base = await makeImage({
      layers: [await tinyLayer()],
      config: { Cmd: ["sh"], Env: ["PATH=/bin"] },
    });
    await engine.ok(["pull", "-q", await pushImage(`${registry.host}/base:v1`, base)]);
    gate.hold(100_000);
    const before = gate.ranges;
    const script =
      "id -un; grep ^app: /etc/group; ls /hidden; cat /data/link; test ! -e /gone && stat -c %a /bin/busybox";
    expect(await engine.ok(["run", "--rm", "--lazy", "-u", "lazy", name, "sh", "-c", script])).toBe(
      "lazy\napp:x:1000:\nc\nsmall\n755",
    );
    expect(gate.ranges - before).toBeLessThan(12); // busybox alone is two pieces: it was not among them
    expect(fetchers()).toHaveLength(1);
  }, 60_000);

  test("a registry that wants to know who asks, and a platform", async () => {
    const name = await chunked();
    await using guarded = await startGuarded({ users: { me: "secret" } });
    const there = `${guarded.host}/guarded:v1`;
    await engine.ok(["pull", "-q", name]);
    await engine.ok(["push", "-q", "--creds", "me:secret", name, there]);
    await forget();
    const denied = await engine.proa(["run", "--rm", "--lazy", there, "true"]);
    expect([denied.exitCode, denied.stderr]).toEqual([125, expect.stringMatching(/unauthorized|log in/i)]);
    const asked = [
      "run",
      "--rm",
      "--lazy",
      "--creds",
      "me:secret",
      "--platform",
      `linux/${hostPlatform().architecture}`,
      there,
    ];
    expect(await engine.ok([...asked, "cat", "/data/small"])).toBe("small");
    expect(fetchers().every(({ command }) => !command.includes("secret"))).toBe(true);
    await whenWhole();
    expect(await engine.ok(["images", "-q"])).not.toBe("");
    expect(lazyRoots()).toEqual([]);
  }, 60_000);

  test("another id map needs the layers themselves, and waits for them", async () => {
    const name = await chunked();
    expect(
      await engine.ok(["run", "--rm", "--lazy", "--userns", "keep-id", name, "cat", "/data/small"]),
    ).toBe("small");
    await whenWhole();
  }, 60_000);

  test("pull --lazy returns at once; create, start, cp and mount follow", async () => {
    const name = await chunked();
    gate.hold(100_000);
    expect(await engine.ok(["pull", "-q", "--lazy", name])).toBe(name);
    await engine.ok(["create", "--name", "later", name, "sleep", "1000"]);
    await engine.ok(["start", "later"]);
    expect(await engine.ok(["exec", "later", "cat", "/data/small"])).toBe("small");
    expect(fetchers()).toHaveLength(1);
    const compared = engine.start(["image", "diff", name]); // needs directories, and waits for them
    expect(await engine.ok(["cp", "later:/data/small", "-"])).toContain("small");
    gate.letGo();
    expect(await compared.exited).toBe(0);
    expect(await new Response(compared.stdout).text()).toContain("A /data/small2\n");
    await whenWhole();
    await engine.ok(["restart", "-t", "0", "later"]);
    expect(await engine.ok(["exec", "later", "cat", "/data/small"])).toBe("small");
  }, 60_000);
});
