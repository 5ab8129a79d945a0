/** `config.toml`: where it is read, what it says, and what is refused. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { useEngine } from "../../harness";

const engine = useEngine();
afterAll(() => engine.assertNothingLeft());

let count = 0;
/** A directory of configuration with this file in it. */
function configured(text: string | Uint8Array): string {
  const directory = join(engine.sandbox.configHome, `c${count++}`);
  mkdirSync(directory);
  writeFileSync(join(directory, "config.toml"), text);
  return directory;
}

const driver = (...args: string[]) => engine.ok([...args, "info", "-f", "{{.Driver}}"]);

describe("config.toml", () => {
  test("names the storage driver, for run too; the option is stronger", async () => {
    const directory = configured('# mine\nstorage-driver = "vfs"\n');
    expect(await driver("--config", directory)).toBe("vfs");
    expect(await driver("--config", directory, "--storage-driver", "overlay")).toBe("overlay");
    expect(await engine.ok(["--config", directory, "run", "--rm", "hello"])).toStartWith("Hello from proa!");
  });

  test("is read in XDG_CONFIG_HOME/proa", async () => {
    const home = join(engine.sandbox.configHome, "home");
    mkdirSync(join(home, "proa"), { recursive: true });
    writeFileSync(join(home, "proa/config.toml"), 'storage-driver = "vfs"\n');
    expect(await engine.ok(["info", "-f", "{{.Driver}}"], { env: { XDG_CONFIG_HOME: home } })).toBe("vfs");
  });

  test("may be empty, and need not be there", async () => {
    expect(await driver("--config", configured(""))).not.toBe("");
    expect(
      await engine.ok(["info", "-f", "{{.Driver}}"], { env: { XDG_CONFIG_HOME: "/proc/none" } }),
    ).not.toBe("");
  });

  test("in a directory that was named has to have that directory", async () => {
    for (const path of ["/proc/none", "/etc/passwd"]) {
      const result = await engine.proa(["--config", path, "ps"]);
      expect(result.stdout).toBe("");
      expect(result.stderr).toBe(`Error: read configuration: ${path}: there is no such directory\n`);
      expect(result.exitCode).toBe(125);
    }
  });

  test.each([
    ["is no TOML", "storage-driver = = 1", "it is not TOML"],
    ["has a setting that does not exist", 'storage_driver = "vfs"', 'unknown setting "storage_driver"'],
    ["has a number for a name", "storage-driver = 3", "storage-driver is not a text in quotes"],
    ["names a driver that does not exist", 'storage-driver = "zfs"', "no such driver"],
    ["is binary", new Uint8Array([0, 255, 1, 254]), ""],
    ["is very long", `# ${"x".repeat(2_000_000)}`, "it is longer than"],
  ])("that %s is refused with its path", async (_what, text, why) => {
    const directory = configured(text);
    for (const args of [["info"], ["run", "--rm", "hello"]]) {
      const result = await engine.proa(["--config", directory, ...args]);
      expect(result.stdout).toBe("");
      expect(result.stderr).toStartWith("Error: ");
      expect(result.stderr).toContain(why);
      expect(result.stderr).not.toContain("internal");
      expect(result.exitCode).toBe(125);
    }
    expect(await engine.ok(["--config", directory, "ps", "-q"])).toBe(""); // what does not need it goes on
  });
});
