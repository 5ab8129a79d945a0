/** What an image can put into its configuration and its files against the engine that reads them. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Tree } from "../../harness";
import { removeAll } from "../_network";
import { expectRefused, missing, startBox, useAttacker } from "./_attack";

setDefaultTimeout(180_000); // many images and runs in a test; a hang is one command's timeout

const UP = "../".repeat(16);

describe.skipIf(missing !== null)(`a hostile image${missing ? ` (${missing})` : ""}`, () => {
  const place = useAttacker();
  const { engine } = place;

  // CVE-2024-9676: /etc/passwd of the image is a link to a file, a FIFO or a device of the host, or has no end
  const victims = (): [string, Tree][] => {
    const outside = join(engine.sandbox.home, "passwd");
    writeFileSync(outside, "hostuser:x:0:0::/:/bin/sh\n", { mode: 0o644 });
    const fifo = join(engine.sandbox.home, "fifo");
    if (!existsSync(fifo)) Bun.spawnSync(["mkfifo", fifo]);
    const both = (entry: Tree[string]): Tree => ({ "etc/passwd": entry, "etc/group": entry });
    const links = [
      outside,
      `${UP}${outside.slice(1)}`,
      fifo,
      "/proc/self/root/etc/passwd",
      "/proc/1/fd/0",
      "/dev/zero",
      "/dev/stdin",
      "passwd",
      "/proc/kmsg",
    ];
    return [
      ...links.map((target): [string, Tree] => [`a link to ${target}`, both({ type: "symlink", target })]),
      ["a FIFO", both({ type: "fifo" })],
      ["a directory", { "etc/passwd/": "", "etc/group/": "" }],
      ["of 3 MB", both(`${"x".repeat(1000)}:x:1:1::/:\n`.repeat(3000))],
      ["one line of 900 KB", both("a".repeat(900_000))],
      ["not UTF-8", both(new Uint8Array([0xff, 0xfe, 0x0a, 0x00, 0x3a, 0x3a]))],
    ];
  };

  test("with a passwd file that is a link, a FIFO, a directory, huge or garbage runs, and names nobody of the host", async () => {
    for (const [what, tree] of victims()) {
      const reference = await place.image(tree);
      const plain = await engine.proa(["run", "--rm", "--network", "none", reference, "echo", "fine"]);
      expect([what, plain.stdout, plain.exitCode]).toEqual([what, "fine\n", 0]);
      for (const options of [
        ["-u", "hostuser"],
        ["--group-add", "hostuser"],
      ])
        expectRefused(await engine.proa(["run", "--rm", ...options, reference, "true"]));
      const userns = await engine.proa(["run", "--rm", "--userns", "auto", reference, "echo", "fine"]);
      if (userns.exitCode === 0) expect(userns.stdout).toBe("fine\n");
      else expectRefused(userns);
    }
  });

  test("exec finds its user in what the container has made of its files meanwhile, and waits for none", async () => {
    await using box = await startBox(place, ["--network", "none"]);
    const makes = [
      "mkfifo /etc/passwd /etc/group",
      "mkdir /etc/passwd /etc/group",
      "ln -s /dev/zero /etc/passwd; ln -s /dev/zero /etc/group",
      "ln -s /proc/self/fd/0 /etc/passwd; ln -s /proc/1/root/etc/shadow /etc/group",
      "ln -s /etc/passwd /etc/passwd; ln -s /etc/group /etc/group",
      "dd if=/dev/zero of=/etc/passwd bs=1M count=0 seek=100000; : >/etc/group",
    ];
    for (const make of makes) {
      await box.exec(["sh", "-c", `rm -rf /etc/passwd /etc/group; (${make}) 2>/dev/null`]);
      expect(await box.exec(["echo", "fine"])).toBe("fine");
      expect(await box.exec(["grep", "Uid", "/proc/self/status"], ["-u", "77"])).toStartWith("Uid:\t77\t");
      const named = await engine.proa(["exec", "-u", "app", box.id, "true"]);
      expect(named.stderr).toStartWith("Error: ");
      expect(named.exitCode).toBeGreaterThan(0);
    }
  });

  test("whose working directory leads out through links makes nothing there", async () => {
    const outside = join(engine.sandbox.home, "work");
    mkdirSync(outside);
    const links = {
      w: { type: "symlink", target: outside },
      v: { type: "symlink", target: `${UP}${outside.slice(1)}` },
    } as const;
    for (const WorkingDir of [
      "/w",
      "/w/new",
      "/v/new/deep",
      `/${UP}${outside.slice(1)}/new`,
      "relative/new",
      "..",
      "../../..",
      "/proc/1/root/new",
      "/dev/null/x",
      "\n",
    ]) {
      const reference = await place.image({ ...links }, { WorkingDir });
      const result = await engine.proa(["run", "--rm", reference, "pwd"]);
      if (result.exitCode !== 0) expectRefused(result);
      expect(readdirSync(outside)).toEqual([]);
      expect(existsSync("/relative") || existsSync("/new")).toBe(false);
    }
  });

  test("whose entry point is a verb or a file of the engine's gets no further than any other name", async () => {
    for (const Entrypoint of [
      ["proa"],
      ["__report", "run", "{}"],
      ["proa-helper", "run", "3"],
      ["/$bunfs/root/proa"],
      ["/proc/self/exe", "unshare"],
      ["--help"],
      [""],
    ]) {
      const reference = await place.image({ x: "" }, { Entrypoint, Cmd: [] });
      const result = await engine.proa(["run", "--rm", reference]);
      expect(result.stdout).toBe("");
      expect(result.exitCode).toBeGreaterThanOrEqual(1);
    }
  });

  test("whose configuration holds nonsense is run or refused, and never crashes a command", async () => {
    const configs: Record<string, unknown>[] = [
      { StopSignal: "SIGNOTHING" },
      { StopSignal: "99999999999" },
      { Env: ["=x", "NOVALUE", "", `LONG=${"x".repeat(100_000)}`, "A=1\nB=2"] },
      { Labels: { "": "", __proto__: "x", constructor: "x", toString: "x" } },
      { ExposedPorts: { "99999/tcp": {}, "x/y/z": {}, "0/tcp": {}, "": {} } },
      { Healthcheck: { Test: ["NONSENSE", "x"], Interval: 1, Retries: 0 } },
      { Healthcheck: { Test: ["CMD"] } },
      { Shell: [], OnBuild: ["RUN x"], ArgsEscaped: true },
      { User: "4294967295:4294967295" },
      { User: "-1" },
      { User: ":::" },
      { Volumes: { "/a": {}, "/a/": {}, "/a/../a": {} } },
    ];
    for (const config of configs) {
      const reference = await place.image({ x: JSON.stringify(config).slice(0, 200) }, config);
      const run = await engine.proa(["run", "-d", "--network", "none", reference, "sleep", "1000"]);
      expect(run.stderr).not.toMatch(/internal|undefined| {4}at /);
      expect((await engine.proa(["inspect", reference])).exitCode).toBe(0);
      if (run.exitCode !== 0) {
        expectRefused(run);
        continue;
      }
      const id = run.stdout.trim();
      expect((await engine.proa(["inspect", id])).exitCode).toBe(0);
      expect((await engine.proa(["ps", "-a"])).stderr).toBe("");
      const stopped = await engine.proa(["stop", "-t", "0", id]);
      expect(stopped.stderr).not.toMatch(/internal|undefined| {4}at /);
      await engine.ok(["rm", "-f", id]);
    }
  });

  test("nothing is left of all these", () => removeAll(place));
});
