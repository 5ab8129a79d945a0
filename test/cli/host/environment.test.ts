/** What of the caller's environment reaches what proa starts, and what does not change proa itself. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { proaPath, tinyImage, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

const engine = useEngine();
let registry: FakeRegistry;
let name: string;
beforeAll(async () => {
  registry = await FakeRegistry.start();
  name = registry.addImage("environment", "v1", await tinyImage());
  await engine.ok(["pull", "-q", name]);
});
afterAll(async () => {
  await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

describe("variables that act on every program compiled by Bun", () => {
  test("do not reach the supervisor, nor the container", async () => {
    const env = { BUN_OPTIONS: "--smol", BUN_CONFIG_VERBOSE_FETCH: "0" };
    await engine.ok(["run", "-d", "--name", "clean", name, "sleep", "100"], { env });
    const pid = Number(await engine.ok(["inspect", "-f", "{{.State.Pid}}", "clean"]));
    const supervisor = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    expect(readFileSync(`/proc/${supervisor}/environ`, "utf8")).not.toContain("BUN_OPTIONS");
    expect(await engine.ok(["exec", "clean", "env"], { env })).not.toContain("BUN_");
    await engine.ok(["rm", "-f", "clean"]);
  });
});

describe("a directory with hostile files", () => {
  test("changes neither a pull nor a run, nor what the helper reports", async () => {
    const cwd = join(engine.sandbox.home, "hostile");
    mkdirSync(cwd);
    const evil = `require("node:fs").writeFileSync(${JSON.stringify(join(cwd, "marker"))}, "")`;
    writeFileSync(join(cwd, "evil.js"), evil);
    writeFileSync(join(cwd, "bunfig.toml"), 'preload = ["./evil.js"]\n[test]\npreload = ["./evil.js"]\n');
    writeFileSync(
      join(cwd, ".env"),
      "PATH=/nowhere\nXDG_DATA_HOME=/nowhere\nHTTP_PROXY=http://127.0.0.1:1\n",
    );
    writeFileSync(join(cwd, ".npmrc"), "registry=http://127.0.0.1:1\n");
    await engine.ok(["pull", "-q", name], { cwd });
    expect(await engine.ok(["run", "--rm", name, "echo", "fine"], { cwd })).toBe("fine");
    const reported = await engine.proa(["run", "--rm", name, "/not/there"], { cwd });
    expect(reported.stderr).toStartWith("Error: ");
    expect(reported.exitCode).toBe(127);
    expect(await Bun.file(join(cwd, "marker")).exists()).toBe(false);
  });
});

describe("an environment that lacks", () => {
  test.each(["HOME", "PATH", "USER", "LANG", "TERM", "XDG_CACHE_HOME"])(
    "%s runs containers all the same",
    async (variable) => {
      const result = await engine.proa(["run", "--rm", name, "echo", "fine"], {
        env: { [variable]: undefined },
      });
      expect(result.stderr).toBe("");
      expect(result.stdout).toBe("fine\n");
    },
  );

  test("everything but where the state is, too", async () => {
    const { XDG_DATA_HOME, XDG_RUNTIME_DIR } = engine.sandbox.env;
    const result = Bun.spawnSync([proaPath, "run", "--rm", name, "echo", "fine"], {
      cwd: engine.sandbox.home,
      env: { XDG_DATA_HOME, XDG_RUNTIME_DIR },
    });
    expect(result.stdout.toString()).toBe("fine\n");
  });
});
