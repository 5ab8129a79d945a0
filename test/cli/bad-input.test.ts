/** What can be wrong around proa: each a clear error, nothing left behind. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { proaPath, useEngine } from "../harness";

const engine = useEngine();
const HELLO = ["run", "--rm", "hello"];

/** A shell command with proa as `$0`. */
function shell(script: string) {
  const command = ["sh", "-c", script, proaPath];
  const result = Bun.spawnSync(command, { env: { ...engine.sandbox.env }, cwd: "/", stdin: "ignore" });
  return { stdout: result.stdout.toString(), stderr: result.stderr.toString(), exitCode: result.exitCode };
}

describe("proa", () => {
  test("finds newuidmap though PATH leads nowhere", async () => {
    const result = await engine.proa(HELLO, { env: { PATH: "/nowhere" } });
    expect(result.stderr).toBe("");
    expect(result.exitCode).toBe(0);
  });

  test("runs without XDG_RUNTIME_DIR", async () => {
    const result = await engine.proa(HELLO, { env: { XDG_RUNTIME_DIR: undefined } });
    expect(result.stderr).toBe("");
    expect(result.exitCode).toBe(0);
  });

  test("takes a relative XDG directory as unset, as the specification has it", async () => {
    expect((await engine.proa(["ps"], { env: { XDG_RUNTIME_DIR: "relative" } })).exitCode).toBe(0);
    expect(existsSync(join(engine.sandbox.home, "relative"))).toBe(false);
  });

  test("names the directory that it cannot make, and the variable that leads elsewhere", async () => {
    const result = await engine.proa(HELLO, { env: { XDG_DATA_HOME: "/usr/lib" } });
    expect(result.stderr).toBe(
      "Error: create directory: /usr/lib/proa: permission denied\n" +
        "hint: proa keeps its state there; choose another place with XDG_DATA_HOME\n",
    );
    expect(result.exitCode).toBe(125);
  });

  test("a full disk behind stdout is an error, a closed pipe is none", () => {
    const full = shell('exec "$0" --help >/dev/full');
    expect(full).toMatchObject({ exitCode: 125, stderr: "Error: write: no space left on device\n" });
    expect(shell('("$0" --help; echo "status $?" >&2) | true').stderr).toBe("status 0\n");
  });

  test("state that a newer proa wrote is refused, and left as it is", async () => {
    const path = join(engine.sandbox.directory, "newer");
    mkdirSync(path);
    const env = { XDG_DATA_HOME: path };
    await engine.ok(["ps"], { env });
    const { Database } = await import("bun:sqlite");
    const database = new Database(join(path, "proa/state.db"));
    database.run("PRAGMA user_version = 9999");
    database.close();
    const result = await engine.proa(["ps"], { env });
    expect(result.stderr).toContain("9999");
    expect(result.stderr).toContain("newer");
    expect(result.exitCode).toBe(125);
  });

  test("a state file that is no database is named", async () => {
    const path = join(engine.sandbox.directory, "broken");
    mkdirSync(join(path, "proa"), { recursive: true, mode: 0o700 });
    writeFileSync(
      join(path, "proa/state.db"),
      "this is no database, and long enough to be looked at".repeat(100),
    );
    const result = await engine.proa(["ps"], { env: { XDG_DATA_HOME: path } });
    expect(result.stderr).toStartWith("Error: ");
    expect(result.stderr).toContain(join(path, "proa/state.db"));
    expect(result.exitCode).toBe(125);
  });

  test("an emptied helper in the cache directory is replaced", async () => {
    await engine.ok(HELLO);
    const cache = join(engine.sandbox.cacheHome, "proa");
    const names = [...new Bun.Glob("proa-helper*").scanSync(cache)];
    expect(names).toHaveLength(1);
    const path = join(cache, names[0] ?? "");
    unlinkSync(path); // the supervisor may still be about to exit: writing to the file itself would be refused
    writeFileSync(path, "", { mode: 0o700 });
    await engine.ok(HELLO);
  });

  test("helpers of builds long gone are cleared away when a new one is put beside them, recent ones stay", async () => {
    await engine.ok(HELLO);
    const cache = join(engine.sandbox.cacheHome, "proa");
    const [current = ""] = [...new Bun.Glob("proa-helper*").scanSync(cache)];
    const [old, recent] = [join(cache, "proa-helper-longgone"), join(cache, "proa-helper-yesterday")];
    for (const path of [old, recent]) writeFileSync(path, "", { mode: 0o700 });
    utimesSync(old, 1, 1);
    unlinkSync(join(cache, current));
    await engine.ok(HELLO);
    expect([...new Bun.Glob("proa-helper*").scanSync(cache)].toSorted()).toEqual(
      [current, "proa-helper-yesterday"].toSorted(),
    );
  });

  test("leaves nothing behind after all this", () => engine.assertNothingLeft());
});
