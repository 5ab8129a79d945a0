/** `proa export`. */
import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { detach, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("export", () => {
  const place = useTiny();
  const { engine } = place;
  const list = (bytes: Uint8Array, ...options: string[]): string[] => {
    const path = join(engine.sandbox.home, "list.tar");
    writeFileSync(path, bytes);
    return Bun.spawnSync(["tar", "-tf", path, ...options])
      .stdout.toString()
      .split("\n")
      .filter(Boolean);
  };

  beforeAll(async () => {
    if (missing !== null) return;
    await detach(place, "web", SLEEP, ["-v", "vol:/vol", "--tmpfs", "/memory"]);
    await engine.ok([
      "exec",
      "web",
      "sh",
      "-c",
      "echo x > /made; chown 5:6 /made; echo x > /vol/v; echo x > /memory/m; rm /etc/group",
    ]);
  });

  test("writes the root as the container has made it, without what is mounted in it", async () => {
    for (const running of [true, false]) {
      if (!running) await engine.ok(["stop", "-t", "0", "web"]);
      const { bytes, exitCode } = await engine.proa(["export", "web"]);
      expect(exitCode).toBe(0);
      const names = list(bytes.stdout);
      expect(names).toContain("etc/passwd");
      expect(names).toContain("proc/");
      expect(names).toContain("vol/");
      expect(names).not.toContain("etc/group");
      expect(names.filter((name) => /^(proc|sys|dev|vol|memory)\/./.test(name))).toEqual([]);
      expect(list(bytes.stdout, "-v", "--numeric-owner", "made")[0]).toMatch(/^-rw-r--r-- 5\/6 /);
    }
  });

  test("-o writes a file, which has its name only when it is whole", async () => {
    const out = join(engine.sandbox.home, "out");
    mkdirSync(out);
    await engine.ok(["export", "-o", join(out, "a.tar"), "web"]);
    expect(readdirSync(out)).toEqual(["a.tar"]);
    const missing = await engine.proa(["export", "-o", join(out, "no/such"), "web"]);
    expect(missing.stderr).toBe(`Error: export: ${join(out, "no/such")}: no such file or directory\n`);
    expect(missing.exitCode).toBe(1);
    expect(existsSync(join(out, "no"))).toBe(false);
    symlinkSync("/dev/full", join(out, "full"));
    const full = await engine.proa(["export", "-o", join(out, "full"), "web"]);
    expect(full.stderr).toStartWith("Error: write archive: no space left on device\n");
    expect(full.exitCode).toBe(1);
  });

  test("refuses a terminal", async () => {
    const child = engine.pty(["export", "web"]);
    expect(await child.exited).toBe(1);
    expect(child.output).toContain("cowardly refusing to save to a terminal. Use the -o flag or redirect");
  });

  test("a container that has never run has the files of its image", async () => {
    await engine.ok(["create", "--name", "never", place.tiny, "true"]);
    const { bytes } = await engine.proa(["export", "never"]);
    expect(list(bytes.stdout)).toContain("etc/group");
  });
});
