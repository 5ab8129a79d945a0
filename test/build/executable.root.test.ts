/** dist/proa for another user than the one that built it. Root, to be able to become one. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { proaPath } from "../harness";

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "p-"));
  chmodSync(directory, 0o755);
  copyFileSync(proaPath, join(directory, "proa"));
  chmodSync(join(directory, "proa"), 0o755);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** As nobody: no home that exists, nothing it may write but /tmp. */
function asNobody(...args: string[]) {
  const home = {
    HOME: join(directory, "nowhere"),
    PATH: "/usr/bin:/bin",
    XDG_DATA_HOME: join(directory, "nowhere"),
  };
  const result = Bun.spawnSync(
    ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", join(directory, "proa"), ...args],
    {
      env: home,
      cwd: directory,
      stdin: "ignore",
    },
  );
  return { stdout: result.stdout.toString(), stderr: result.stderr.toString(), exitCode: result.exitCode };
}

test("proa runs for another user, from a directory that belongs to root", () => {
  const result = asNobody("version");
  expect(result.stderr).toBe("");
  expect(result.stdout).toMatch(/^proa version \d+\.\d+\.\d+/);
  expect(result.exitCode).toBe(0);
});

test("proa says where it cannot write when the user's home cannot be made", () => {
  const result = asNobody("ps");
  expect(result.stderr).toStartWith("Error: ");
  expect(result.stderr).toContain(join(directory, "nowhere"));
  expect(result.stderr).toContain("permission denied");
  expect(result.exitCode).toBe(125);
});
