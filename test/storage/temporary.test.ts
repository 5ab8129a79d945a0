import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { abandoned, makeTemporary } from "../../src/storage/_temporary";

function directory(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "proa-temporary-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

test("a temporary name is nobody else's garbage while its owner lives", () => {
  using place = directory();
  const mine = makeTemporary(place.path);
  mkdirSync(mine.path);

  expect(abandoned(place.path)).toEqual([]);

  mine.abandon();
  expect(abandoned(place.path).map(({ path }) => path)).toEqual([mine.path]);
});

test("abandoned() gives a name to one cleaner only", () => {
  using place = directory();
  makeTemporary(place.path).abandon();

  const first = abandoned(place.path);
  expect(first).toHaveLength(1);
  expect(abandoned(place.path)).toEqual([]);
  first[0]?.release();
  expect(readdirSync(place.path)).toEqual([]);
});

test("release() leaves nothing, and may be called again", () => {
  using place = directory();
  const mine = makeTemporary(place.path);
  mine.release();
  mine.release();
  mine.abandon();
  expect(readdirSync(place.path)).toEqual([]);
});

test("abandoned() looks at nothing else, and not at a directory that is missing", () => {
  using place = directory();
  writeFileSync(join(place.path, "other"), "");
  writeFileSync(join(place.path, "tmp-without-lock"), "");
  expect(abandoned(place.path)).toEqual([]);
  expect(abandoned(join(place.path, "missing"))).toEqual([]);
  expect(existsSync(join(place.path, "other"))).toBe(true);
});

test("a name beside busy cleaners always has a lock by which it is found", async () => {
  using place = directory();
  const code = `
    import { rmSync } from "node:fs";
    import { abandoned } from ${JSON.stringify(join(import.meta.dir, "../../src/storage/_temporary"))};
    process.stdout.write("began");
    for (;;) for (const each of abandoned(${JSON.stringify(place.path)})) { rmSync(each.path, { recursive: true, force: true }); each.release(); }`;
  const script = join(place.path, "cleaner.ts");
  writeFileSync(script, code);
  const cleaners = [1, 2].map(() =>
    Bun.spawn([process.execPath, script], { stdout: "pipe", stderr: "inherit" }),
  );
  for (const cleaner of cleaners) await cleaner.stdout.getReader().read();
  for (let i = 0; i < 2000; i++) {
    const mine = makeTemporary(place.path);
    mkdirSync(mine.path);
    mine.abandon();
  }
  for (const cleaner of cleaners) {
    cleaner.kill("SIGKILL");
    await cleaner.exited;
  }
  for (const each of abandoned(place.path)) {
    rmSync(each.path, { recursive: true, force: true });
    each.release();
  }
  expect(readdirSync(place.path)).toEqual(["cleaner.ts"]);
});
