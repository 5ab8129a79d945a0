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
