import { expect, test } from "bun:test";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entriesOf, openInRoot } from "../../src/helper";

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
