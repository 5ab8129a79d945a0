/** `.dev/setup`, which `npm run try` and `npm test` begin with, on hosts where Debian packages are missing. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "../../..");
const isDebian = existsSync("/usr/bin/dpkg-query") && existsSync("/usr/bin/apt-get");
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "proa-setup-"));
  cpSync(join(root, ".dev"), join(directory, ".dev"), { recursive: true });
  writeFileSync(
    join(directory, ".dev/packages"),
    "# test\n[run]\nproa-test-missing-one # why\nproa-test-optional? # why\n[build]\nproa-test-missing-two\nbash\n[test]\nproa-test-not-asked-for\n",
  );
  mkdirSync(join(directory, "bin"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Programs in front of the system's: a shell script each. */
function programs(scripts: Record<string, string>): string {
  const bin = mkdtempSync(join(directory, "bin-"));
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/bash\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return `${bin}:${process.env["PATH"]}`;
}

function setup(path: string, ...groups: string[]) {
  const result = Bun.spawnSync([join(directory, ".dev/setup"), ...groups], {
    env: { PATH: path, HOME: directory, TMPDIR: directory },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { stdout: result.stdout.toString(), stderr: result.stderr.toString(), exitCode: result.exitCode };
}

describe.skipIf(!isDebian || process.getuid?.() === 0)("set-up as a user", () => {
  test("who cannot become root prints the one line to type, for the groups asked for, and stops", () => {
    const result = setup(
      programs({ sudo: "exit 1", npm: "echo npm was called >&2; exit 1" }),
      "run",
      "build",
    );
    expect(result.stderr).toContain(
      "Error: set up: Debian packages are missing, and this user cannot install them.",
    );
    const lines = result.stderr.split("\n").filter((line) => line.includes("apt-get install"));
    expect(lines).toEqual([
      "    sudo apt-get update && sudo apt-get install -y --no-install-recommends proa-test-missing-one proa-test-missing-two",
    ]);
    expect(result.stderr).not.toContain("npm was called");
    expect(result.exitCode).toBe(1);
  });

  test("who may use sudo without a password has them installed by it", () => {
    const log = join(directory, "apt.log");
    const path = programs({
      sudo: '[ "$1" = -n ] && shift; [ "$1" = true ] && exit 0; exec "$@"',
      "apt-get": `echo "$@" >>${log}`,
      "apt-cache": '[ "$2" = proa-test-optional ] || echo "$2 | 1 | here"',
      tee: "cat >/dev/null", // the guard against starting services
      chmod: "exit 0",
      npm: "exit 1",
    });
    const result = setup(path, "run", "build");
    expect(readFileSync(log, "utf8")).toMatch(/install proa-test-missing-one proa-test-missing-two\n/);
    expect(readFileSync(log, "utf8")).not.toMatch(/optional|not-asked-for|bash/);
    expect(result.stderr).toContain("npm ci failed"); // the next step came
    expect(result.exitCode).toBe(1);
  });

  test("on something that is no Debian says what to do", () => {
    const text = readFileSync(join(directory, ".dev/setup"), "utf8").replaceAll(
      "/usr/bin/dpkg-query",
      "/usr/bin/no-dpkg",
    );
    writeFileSync(join(directory, ".dev/setup"), text);
    const result = setup(programs({}), "run");
    expect(result.stderr).toContain(
      "this is no Debian or Ubuntu; install what .dev/packages names and set PROA_SKIP_PACKAGES=1",
    );
    expect(result.exitCode).toBe(1);
  });
});
