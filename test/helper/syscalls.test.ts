import { expect, test } from "bun:test";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  entriesOf,
  flock,
  isDirectoryLocked,
  LOCK_EX,
  LOCK_NB,
  openInRoot,
  readAtOnce,
} from "../../src/helper";

test("openInRoot() resolves .. while directories are renamed elsewhere", async () => {
  const directory = mkdtempSync(join(tmpdir(), "proa-open-"));
  const below = (name: string) => join(directory, name);
  mkdirSync(below("root/a/b/c"), { recursive: true });
  mkdirSync(below("x"));
  writeFileSync(below("root/file"), "x");
  symlinkSync("../../../file", below("root/a/b/c/link"));
  const script = `const { renameSync } = require("node:fs"); console.log("ready");
    for (;;) { renameSync("x", "y"); renameSync("y", "x"); }`;
  const child = Bun.spawn([process.execPath, "-e", script], { cwd: directory, stdout: "pipe" });
  const root = openSync(below("root"), "r");
  try {
    await child.stdout.getReader().read();
    for (let i = 0; i < 20_000; i++) closeSync(openInRoot(root, "/a/b/c/link"));
    expect(child.exitCode).toBeNull(); // it was at it all the time
  } finally {
    closeSync(root);
    child.kill("SIGKILL");
    await child.exited;
    rmSync(directory, { recursive: true });
  }
});

test("entriesOf() names all of a directory and what each is, whatever the letters", () => {
  const directory = mkdtempSync(join(tmpdir(), "proa-entries-"));
  const names = Array.from({ length: 1500 }, (_, at) => `a-file-with-a-name-of-some-length-${at}`); // more than one read holds
  for (const name of [...names, "größe", "日本", "a\nb"]) writeFileSync(join(directory, name), "");
  mkdirSync(join(directory, "sub"));
  symlinkSync("nowhere", join(directory, "link"));
  const fd = openSync(directory, "r");
  try {
    const types = new Map(entriesOf(fd).map(({ name, type }) => [name, type]));
    expect([...types.keys()].sort()).toEqual([...names, "größe", "日本", "a\nb", "sub", "link"].sort());
    expect([types.get("sub"), types.get("link"), types.get("größe")]).toEqual(["directory", "link", "file"]);
  } finally {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  }
});

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // that of the directory that was just read
  }
}

/** How many of our descriptors are open in `directory`: nothing may be left behind. */
function descriptorsIn(directory: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => linkOf(`/proc/self/fd/${fd}`).startsWith(directory))
    .length;
}

test("readAtOnce() gives a text whole, whatever its length, and null of what cannot be read", () => {
  const directory = mkdtempSync(join(tmpdir(), "proa-read-"));
  try {
    // around the room that there is at first, and far beyond; then a short one again
    for (const length of [0, 1, (16 << 10) - 1, 16 << 10, 100_000, 3]) {
      const text = "ä".repeat(length);
      writeFileSync(join(directory, "file"), text);
      expect(readAtOnce(join(directory, "file"))).toBe(text);
    }
    expect(readAtOnce("/proc/self/stat")).toStartWith(`${process.pid} (`);
    expect(readAtOnce(join(directory, "absent"))).toBeNull();
    expect(readAtOnce(directory)).toBeNull();
    expect(descriptorsIn(directory)).toBe(0);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("isDirectoryLocked() tells whether another open file holds the lock, and what is no directory", () => {
  const directory = mkdtempSync(join(tmpdir(), "proa-lock-"));
  const fd = openSync(directory, "r");
  try {
    expect(isDirectoryLocked(directory)).toBe(false);
    expect(flock(fd, LOCK_EX | LOCK_NB)).toBe(true);
    expect(isDirectoryLocked(directory)).toBe(true);
    closeSync(fd);
    expect(isDirectoryLocked(directory)).toBe(false);
    expect(isDirectoryLocked(join(directory, "absent"))).toBe(false);
    writeFileSync(join(directory, "file"), "");
    expect(() => isDirectoryLocked(join(directory, "file"))).toThrow("ENOTDIR");
    expect(descriptorsIn(directory)).toBe(0);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
