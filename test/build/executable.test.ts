/** The executable is one file that needs nothing beside it and takes nothing from where it is started. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createSandbox, proaPath, removeSandbox, type Sandbox } from "../harness";

let sandbox: Sandbox;
let program: string; // the only file of its directory

beforeAll(() => {
  sandbox = createSandbox();
  const directory = join(sandbox.directory, "bin");
  mkdirSync(directory);
  program = join(directory, "proa");
  copyFileSync(proaPath, program);
  chmodSync(program, 0o755);
});
afterAll(() => {
  chmodSync(join(sandbox.directory, "bin"), 0o755);
  removeSandbox(sandbox);
});

function call(args: string[], cwd: string, env: Record<string, string> = {}) {
  const result = Bun.spawnSync([program, ...args], { cwd, env: { ...sandbox.env, ...env }, stdin: "ignore" });
  return { stdout: result.stdout.toString(), stderr: result.stderr.toString(), exitCode: result.exitCode };
}

function emptyDirectory(name: string): string {
  const path = join(sandbox.directory, name);
  mkdirSync(path);
  return path;
}

describe("dist/proa", () => {
  test("runs from an empty directory and leaves nothing in it", () => {
    const cwd = emptyDirectory("empty");
    const result = call(["version"], cwd);
    expect(result.stderr).toBe("");
    expect(result.stdout).toMatch(/^proa version \d+\.\d+\.\d+/);
    expect(result.exitCode).toBe(0);
    expect(readdirSync(cwd)).toEqual([]);
  });

  test("runs from a read-only directory, where it lies itself", () => {
    const directory = join(sandbox.directory, "bin");
    chmodSync(directory, 0o555);
    const result = call(["ps"], directory);
    expect(result.stderr).toBe("");
    expect(result.exitCode).toBe(0);
  });

  test("runs a container from an empty directory, helper and image inside", () => {
    const result = call(["run", "--rm", "hello"], emptyDirectory("first"));
    expect(result.stderr).toBe("");
    expect(result.stdout).not.toBe("");
    expect(result.exitCode).toBe(0);
  });

  test("takes no code and no settings from bunfig.toml, .env, tsconfig.json and package.json where it is started", () => {
    const cwd = emptyDirectory("hostile");
    const marker = join(sandbox.directory, "marker");
    const elsewhere = join(sandbox.directory, "elsewhere");
    writeFileSync(join(cwd, "evil.ts"), `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "");`);
    writeFileSync(join(cwd, "bunfig.toml"), 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n');
    for (const name of [".env", ".env.local", ".env.production", ".env.development"]) {
      writeFileSync(join(cwd, name), `XDG_DATA_HOME=${elsewhere}\nPROA_DATA=${elsewhere}\n`);
    }
    const paths = { "*": ["./evil.ts"] };
    writeFileSync(join(cwd, "tsconfig.json"), JSON.stringify({ compilerOptions: { baseUrl: ".", paths } }));
    writeFileSync(
      join(cwd, "package.json"),
      JSON.stringify({ name: "evil", imports: { "#*": "./evil.ts" }, main: "./evil.ts" }),
    );
    mkdirSync(join(cwd, "node_modules"));
    for (const name of ["citty", "ofetch", "zstd-napi", "tar-stream"]) {
      mkdirSync(join(cwd, "node_modules", name));
      copyFileSync(join(cwd, "evil.ts"), join(cwd, "node_modules", name, "index.js"));
    }
    const { XDG_DATA_HOME: _, ...env } = sandbox.env; // a variable that is set, .env would leave alone
    for (const args of [["version"], ["ps", "-a"], ["images"], ["pull", "127.0.0.1:1/none"], ["info"]]) {
      Bun.spawnSync([program, ...args], { cwd, env, stdin: "ignore" });
    }
    expect(existsSync(marker)).toBe(false);
    expect(existsSync(elsewhere)).toBe(false);
  });

  test("is one file that needs no more than the C library", () => {
    const needed = Bun.spawnSync(["ldd", program]).stdout.toString();
    const names = [...needed.matchAll(/^\s*(\S+) =>/gm)].map((match) => match[1]);
    expect(names.filter((name) => !/^lib(c|m|dl|pthread|rt)\.so/.test(name ?? ""))).toEqual([]);
    expect(statSync(program).size).toBeLessThan(150_000_000);
  });
});
