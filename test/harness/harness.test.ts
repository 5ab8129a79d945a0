import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  createSandbox,
  leftIn,
  makeImage,
  makeIndex,
  processesOf,
  pushImage,
  registryMissing,
  removeSandbox,
  startPty,
  startRegistry,
  tarOf,
  waitUntil,
  writeLayout,
} from ".";

describe("sandbox", () => {
  test("processesOf() finds a process by its environment, and leftIn() names it", async () => {
    const sandbox = createSandbox();
    const child = Bun.spawn(["sleep", "60"], { env: { ...sandbox.env } });
    expect(processesOf(sandbox).map(({ pid }) => pid)).toEqual([child.pid]);
    expect(leftIn(sandbox)).toEqual([`process ${child.pid} sleep: sleep 60`]);
    child.kill();
    await child.exited;
    expect(leftIn(sandbox)).toEqual([]);
    removeSandbox(sandbox);
    expect(existsSync(sandbox.directory)).toBe(false);
  });

  test("removeSandbox() removes directories that their owner may not write", () => {
    const sandbox = createSandbox();
    Bun.spawnSync([
      "sh",
      "-c",
      `mkdir -p ${sandbox.home}/a/b && touch ${sandbox.home}/a/b/c && chmod 0 ${sandbox.home}/a`,
    ]);
    removeSandbox(sandbox);
    expect(existsSync(sandbox.directory)).toBe(false);
  });
});

describe("pty", () => {
  test("waitFor() sees what follows the last match, resize() reaches the program", async () => {
    const pty = startPty(["sh", "-c", "stty size; read x; stty size; exit 7"], {
      env: { PATH: "/usr/bin:/bin" },
      cols: 90,
      rows: 33,
    });
    await pty.waitFor("33 90");
    pty.resize(100, 44);
    pty.write("\n");
    await pty.waitFor(/44 100/);
    expect(await pty.exited).toBe(7);
    expect(pty.waitFor("never")).rejects.toThrow("the program has ended");
  });
});

describe("images", () => {
  test("tarOf() writes files, directories, links and devices that tar reads", async () => {
    const tar = await tarOf({
      "d/": "",
      "d/f": "text",
      "d/s": { type: "symlink", target: "f" },
      "d/h": { type: "link", target: "d/f" },
      "d/null": { type: "character-device", major: 1, minor: 3 },
      "d/x": { content: "x", mode: 0o4755, uid: 7, gid: 8 },
    });
    const listed = Bun.spawnSync(["tar", "--numeric-owner", "-tvf", "-"], {
      stdin: Buffer.from(tar),
    }).stdout.toString();
    const lines = listed.split("\n").map((line) => line.replaceAll(/ +/g, " "));
    expect(lines[0]).toStartWith("drwxr-xr-x 0/0 0 2024-01-02");
    expect(lines[1]).toStartWith("-rw-r--r-- 0/0 4 ");
    expect(lines[2]).toEndWith("d/s -> f");
    expect(lines[3]).toEndWith("d/h link to d/f");
    expect(lines[4]).toStartWith("crw-r--r-- 0/0 1,3");
    expect(lines[5]).toStartWith("-rwsr-xr-x 7/8 1 ");
  });

  test.skipIf(Bun.which("skopeo") === null)("writeLayout() writes a layout that skopeo reads", async () => {
    const sandbox = createSandbox();
    const image = await makeImage({ layers: [{ a: "1" }, { b: "2" }], config: { Cmd: ["a"] } });
    writeLayout(join(sandbox.directory, "oci"), { one: image });
    const inspected = Bun.spawnSync(["skopeo", "inspect", `oci:${sandbox.directory}/oci:one`]);
    expect(inspected.stderr.toString()).toBe("");
    expect(JSON.parse(inspected.stdout.toString()).Digest).toBe(image.top.digest);
    removeSandbox(sandbox);
  });
});

describe.skipIf(registryMissing !== null)("registry", () => {
  test("pushImage() stores an index that the registry serves again", async () => {
    await using registry = await startRegistry();
    const image = await makeImage({ layers: [{ a: "1" }], compression: "zstd" });
    const other = await makeImage({
      layers: [{ a: "2" }],
      platform: { os: "linux", architecture: "riscv64" },
    });
    const reference = await pushImage(`${registry.host}/some/thing:1`, makeIndex([image, other]));
    expect(reference).toBe(`${registry.host}/some/thing:1`);
    const answer = await fetch(`http://${registry.host}/v2/some/thing/manifests/1`, {
      headers: { accept: "application/vnd.oci.image.index.v1+json" },
    });
    expect(((await answer.json()) as { manifests: unknown[] }).manifests).toHaveLength(2);
  });

  test("stop() leaves nothing of its storage", async () => {
    const registry = await startRegistry();
    await pushImage(`${registry.host}/x:1`, await makeImage({ layers: [{ a: "1" }], docker: true }));
    expect(existsSync(registry.storage)).toBe(true);
    await registry.stop();
    expect(existsSync(registry.storage)).toBe(false);
  });
});

test("waitUntil() throws when the time is over", () => {
  expect(waitUntil(() => false, { timeoutMs: 10, what: "nothing" })).rejects.toThrow(
    "wait: nothing: not met within 10 ms",
  );
});

test("this file runs as an unprivileged user", () => {
  expect(process.getuid?.()).not.toBe(0);
});
