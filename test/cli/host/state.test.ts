/** The state under many commands at once, from another version, damaged, and after a crash. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createEngine, type Engine, tinyImage, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

let registry: FakeRegistry;
let name: string;
beforeAll(async () => {
  registry = await FakeRegistry.start();
  name = registry.addImage("state", "v1", await tinyImage());
});
afterAll(() => registry[Symbol.asyncDispose]());

async function withEngine(work: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = createEngine();
  try {
    await work(engine);
  } finally {
    await engine.dispose();
  }
}

const stateOf = (engine: Engine) => join(engine.sandbox.dataHome, "proa/state.db");

describe("thirty commands at once", () => {
  test("on a state that is not there yet all succeed", () =>
    withEngine(async (engine) => {
      const verbs = [["ps"], ["images"], ["info"], ["ps", "-a"], ["images", "-q"]];
      const all = await Promise.all(
        Array.from({ length: 30 }, (_, i) => engine.proa(verbs[i % verbs.length] ?? [])),
      );
      expect(all.map(({ stderr }) => stderr).join("")).toBe("");
      expect(all.every(({ exitCode }) => exitCode === 0)).toBe(true);
    }));

  test("that all run the embedded image first make it once", () =>
    withEngine(async (engine) => {
      const all = await Promise.all(
        Array.from({ length: 30 }, () => engine.proa(["run", "--rm", "hello"], { timeoutMs: 50_000 })),
      );
      expect(all.map(({ stderr }) => stderr).join("")).toBe("");
      expect(all.every(({ stdout }) => stdout.startsWith("Hello from proa!"))).toBe(true);
      expect((await engine.ok(["images", "-q"])).split("\n")).toHaveLength(1);
      await engine.assertNothingLeft();
    }));

  test(
    "each make, start, look at and remove a container of its own",
    () =>
      withEngine(async (engine) => {
        await engine.ok(["pull", "-q", name]);
        const lives = Array.from({ length: 30 }, async (_, i) => {
          const own = `c${i}`;
          const options = { timeoutMs: 50_000 };
          await engine.ok(["create", "--name", own, name, "sh", "-c", `echo ${own}`], options);
          const said = await engine.ok(["start", "-a", own], options);
          const code = await engine.ok(["wait", own], options);
          await engine.ok(["rm", own], options);
          return `${said} ${code}`;
        });
        expect(await Promise.all(lives)).toEqual(Array.from({ length: 30 }, (_, i) => `c${i} 0`));
        expect(await engine.ok(["ps", "-aq"])).toBe("");
        await engine.assertNothingLeft();
      }),
    120_000,
  );

  test("want one name: one gets it, the others say who has it", () =>
    withEngine(async (engine) => {
      await engine.ok(["pull", "-q", name]);
      const all = await Promise.all(
        Array.from({ length: 30 }, () =>
          engine.proa(["create", "--name", "wanted", name, "true"], { timeoutMs: 50_000 }),
        ),
      );
      expect(all.filter(({ exitCode }) => exitCode === 0)).toHaveLength(1);
      for (const { stderr, exitCode } of all.filter((each) => each.exitCode !== 0)) {
        expect(stderr).toMatch(
          /^Error: create container: wanted: the name is used by container [0-9a-f]{12}\nhint: /,
        );
        expect(exitCode).toBe(125);
      }
      await engine.ok(["rm", "wanted"]);
      await engine.assertNothingLeft();
    }));
});

describe("a state database", () => {
  test("of a newer proa is refused by every command, and left as it is", () =>
    withEngine(async (engine) => {
      await engine.ok(["ps"]);
      const db = new Database(stateOf(engine));
      db.run("PRAGMA user_version = 999");
      db.close();
      const before = readFileSync(stateOf(engine));
      for (const args of [
        ["ps"],
        ["images"],
        ["run", "--rm", "hello"],
        ["pull", name],
        ["info"],
        ["rm", "x"],
      ]) {
        const result = await engine.proa(args);
        expect(result.stdout).toBe("");
        expect(result.stderr).toContain(
          `open state: ${stateOf(engine)}: schema 999 is newer than this proa knows\nhint: use the proa that wrote it`,
        );
        expect(result.exitCode).toBeGreaterThan(0);
      }
      expect(Buffer.compare(readFileSync(stateOf(engine)), before)).toBe(0);
      expect((await engine.proa(["version"])).exitCode).toBe(0);
    }));

  test.each([
    ["is text", () => Buffer.from("this is no database\n".repeat(500))],
    ["is cut off", (whole: Buffer) => whole.subarray(0, 3000)],
    [
      "has lost its middle",
      (whole: Buffer) => Buffer.concat([whole.subarray(0, 100), Buffer.alloc(whole.length - 100, 0xaa)]),
    ],
  ])("that %s: a clear error with what to do, and what it says works", (_what, damage) =>
    withEngine(async (engine) => {
      await engine.ok(["create", "--name", "lost", "hello"]);
      const path = stateOf(engine);
      const db = new Database(path);
      db.run("PRAGMA wal_checkpoint(TRUNCATE)");
      db.close();
      writeFileSync(path, damage(readFileSync(path)));
      for (const args of [["ps"], ["images"], ["run", "--rm", "hello"]]) {
        const result = await engine.proa(args);
        expect(result.stdout).toBe("");
        expect(result.stderr).toContain(`Error: open state: ${path}: it is`);
        expect(result.stderr).toMatch(/damaged/);
        expect(result.stderr).toContain(`hint: mv ${path} ${path}.damaged  # `);
        expect(result.exitCode).toBe(125);
      }
      for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
      expect((await engine.ok(["run", "--rm", "hello"])).startsWith("Hello from proa!")).toBe(true);
    }),
  );

  test("that is empty is a new one", () =>
    withEngine(async (engine) => {
      mkdirSync(join(engine.sandbox.dataHome, "proa"), { mode: 0o700 });
      writeFileSync(stateOf(engine), "");
      expect(await engine.ok(["ps", "-q"])).toBe("");
    }));

  test("that is a directory, or cannot be read, is named", () =>
    withEngine(async (engine) => {
      mkdirSync(stateOf(engine), { recursive: true, mode: 0o700 });
      chmodSync(join(engine.sandbox.dataHome, "proa"), 0o700);
      const result = await engine.proa(["ps"]);
      expect(result.stderr).toBe(`Error: open state: ${stateOf(engine)}: it cannot be opened\n`);
      rmSync(stateOf(engine), { recursive: true });
      writeFileSync(stateOf(engine), "", { mode: 0 });
      expect((await engine.proa(["ps"])).stderr).toContain(
        `Error: open state: ${stateOf(engine)}: it cannot be opened`,
      );
    }));

  test("is closed to others, and so is everything beside it", () =>
    withEngine(async (engine) => {
      await engine.ok(["run", "--rm", "hello"]);
      const open = Bun.spawnSync([
        "find",
        engine.sandbox.dataHome,
        engine.sandbox.runtimeDir,
        "-maxdepth",
        "2",
        "-type",
        "d",
        "-perm",
        "/077",
        "-name",
        "proa*",
      ]);
      expect(open.stdout.toString()).toBe("");
    }));
});

describe("a data directory that others can write", () => {
  const engine = useEngine();
  test("is refused", async () => {
    mkdirSync(join(engine.sandbox.dataHome, "proa"));
    chmodSync(join(engine.sandbox.dataHome, "proa"), 0o777);
    const result = await engine.proa(["ps"]);
    expect(result.stderr).toContain("it is not a directory that only you can write");
    expect(result.exitCode).toBe(125);
    expect(existsSync(stateOf(engine))).toBe(false);
  });
});

describe("after a crash", () => {
  test("a database whose last writer was killed has all that was committed", () =>
    withEngine(async (engine) => {
      await engine.ok(["pull", "-q", name]);
      const ids = await Promise.all(
        [1, 2, 3].map((i) => engine.ok(["create", "--name", `kept${i}`, name, "true"])),
      );
      const late = Array.from({ length: 6 }, (_, i) =>
        engine.start(["create", "--name", `late${i}`, name, "true"]),
      );
      for (const child of late) child.kill("SIGKILL");
      await Promise.all(late.map((child) => child.exited));
      const listed = (await engine.ok(["ps", "-aq", "--no-trunc"])).split("\n");
      for (const id of ids) expect(listed).toContain(id);
      await engine.ok(["rm", ...listed]);
      expect(await engine.ok(["ps", "-aq"])).toBe("");
    }));

  test("a reboot (no runtime directory, nothing runs) ends every container, with no status invented", () =>
    withEngine(async (engine) => {
      await engine.ok(["pull", "-q", name]);
      const id = await engine.ok(["run", "-d", "--name", "before", name, "sleep", "1000"]);
      const pid = Number(await engine.ok(["inspect", "-f", "{{.State.Pid}}", id]));
      const supervisor = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
      process.kill(supervisor, "SIGKILL");
      while (existsSync(`/proc/${supervisor}`)) await Bun.sleep(5);
      rmSync(join(engine.sandbox.runtimeDir, "proa"), { recursive: true, force: true });
      expect(await engine.ok(["ps", "-q"])).toBe("");
      expect(await engine.ok(["ps", "-a", "--format", "{{.State}}"])).toBe("exited");
      await engine.ok(["start", "before"]);
      expect(await engine.ok(["inspect", "-f", "{{.State.Running}}", "before"])).toBe("true");
      await engine.ok(["rm", "-f", "before"]);
    }));
});
