import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makePrivateDirectory, resolvePaths } from "../../src/state";

const scratch = mkdtempSync(join(tmpdir(), "proa-paths-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const uid = process.geteuid?.() ?? 0;

test("resolvePaths() follows the XDG variables", () => {
  const paths = resolvePaths(
    { HOME: "/h", XDG_DATA_HOME: "/d", XDG_RUNTIME_DIR: "/r", XDG_CONFIG_HOME: "/c", XDG_CACHE_HOME: "/x" },
    1000,
  );
  expect(paths).toMatchObject({ data: "/d/proa", runtime: "/r/proa", config: "/c/proa", cache: "/x/proa" });
});

test("resolvePaths() passes over relative and empty variables, as the specification has it", () => {
  expect(resolvePaths({ HOME: "/h", XDG_DATA_HOME: "d", XDG_CACHE_HOME: "" }, 4_000_000)).toMatchObject({
    data: "/h/.local/share/proa",
    cache: "/h/.cache/proa",
    runtime: "/tmp/proa-4000000",
  });
});

test("resolvePaths() keeps root's state where its containers' ids can reach it", () => {
  expect(resolvePaths({ HOME: "/root" }, 0)).toMatchObject({ data: "/var/lib/proa", runtime: "/run/proa" });
});

test("makePrivateDirectory() makes parents and refuses a directory that others can write", () => {
  makePrivateDirectory(join(scratch, "a/b"), uid);
  mkdirSync(join(scratch, "open"));
  chmodSync(join(scratch, "open"), 0o777);
  expect(() => makePrivateDirectory(join(scratch, "open"), uid)).toThrow(
    "it is not a directory that only you can write",
  );
});

test("makePrivateDirectory() refuses a link, which another user may have put there", () => {
  symlinkSync(scratch, join(scratch, "link"));
  expect(() => makePrivateDirectory(join(scratch, "link"), uid)).toThrow("use directory");
});

test("makePrivateDirectory() says what cannot be made", () => {
  expect(() => makePrivateDirectory("/proc/nowhere", uid)).toThrow("create directory: /proc/nowhere: ");
});
