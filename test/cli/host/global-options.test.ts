/** Options in front of the verb: where the store is, and servers that are not there. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";

describe("servers", () => {
  const place = useTiny();
  test.each([
    [["--host", "unix:///x"], "--host"],
    [["-H", "ssh://x"], "--host"],
    [["--url", "unix:///x"], "--url"],
    [["--context", "far"], "--context"],
    [["--connection", "far"], "--connection"],
    [["--remote"], "--remote"],
  ])("%p is refused with the reason", async (options, name) => {
    const { stdout, stderr, exitCode } = await place.engine.proa([...options, "volume", "ls"]);
    expect(stderr).toStartWith(`Error: connect: ${name}: a command does its work itself`);
    expect([stdout, exitCode]).toEqual(["", 125]);
  });
});

describe("servers that are this machine", () => {
  const place = useTiny();
  test("are no refusal", async () => {
    expect(await place.engine.ok(["--context", "default", "volume", "ls", "-q"])).toBe("");
    expect(await place.engine.ok(["--remote=false", "volume", "ls", "-q"])).toBe("");
  });
});

describe.skipIf(missing !== null)("--root and --runroot", () => {
  const place = useTiny();
  const { engine } = place;
  const rootOf = () => join(engine.sandbox.home, "other store");

  test("everything lies there, and the usual store has nothing of it", async () => {
    const root = rootOf();
    await engine.ok(["--root", root, "volume", "create", "there"]);
    expect(existsSync(join(root, "state.db"))).toBe(true);
    expect(existsSync(join(root, "volumes", "there"))).toBe(true);
    expect(await engine.ok(["--root", root, "volume", "ls", "-q"])).toBe("there");
    expect(await engine.ok(["volume", "ls", "-q"])).toBe("");
    expect(await engine.ok([`--root=${root}`, "info", "-f", "{{.Store.GraphRoot}}"])).toBe(root);
  });

  test("containers of both stores run at once, on networks of their own, and the supervisor finds the way back", async () => {
    const root = rootOf();
    const other = (...args: string[]) => engine.ok(["--root", root, ...args]);
    const archive = join(engine.sandbox.home, "tiny.tar");
    await engine.ok(["save", "-o", archive, place.tiny]);
    await other("load", "-q", "-i", archive);
    await engine.ok(["run", "-d", "--name", "same", place.tiny, "sleep", "1000"]);
    await other("run", "-d", "--name", "same", place.tiny, "sleep", "1000");
    const address = "{{.NetworkSettings.Networks.bridge.IPAddress}}";
    expect(await other("inspect", "-f", address, "same")).toMatch(/^10\.88\./);
    expect(await other("ps", "-q", "--no-trunc")).not.toBe(await engine.ok(["ps", "-q", "--no-trunc"]));
    expect(await other("exec", "same", "echo", "in")).toBe("in");
    await other("rm", "-f", "same");
    await engine.ok(["rm", "-f", "same"]);
    expect(await other("run", "--rm", place.tiny, "echo", "gone")).toBe("gone");
    await other("system", "reset", "--force");
    expect(readdirSync(root)).toEqual([]);
  });

  test("--runroot is where those that live are", async () => {
    const root = rootOf();
    const runroot = join(engine.sandbox.runtimeDir, "r");
    const both = ["--root", root, "--runroot", runroot];
    expect(await engine.ok([...both, "info", "-f", "{{.Store.RunRoot}}"])).toBe(runroot);
    const archive = join(engine.sandbox.home, "tiny.tar");
    await engine.ok([...both, "load", "-q", "-i", archive]);
    const id = await engine.ok([...both, "run", "-d", "--network", "none", place.tiny, "sleep", "1000"]);
    expect(readdirSync(join(runroot, "containers"))).toContain(id);
    await engine.ok([...both, "system", "reset", "-f"]);
    expect(readdirSync(join(runroot, "containers"))).toEqual([]);
  });
});
