/** The verbs `chown-tree` and `tree-size`. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { linkSync, mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { applied, call, layerMissing, look, mappings, newTarget, removeAll } from "./_layer";
import { archive, directory, file, symlink } from "./_tar";

setDefaultTimeout(30_000);
afterAll(removeAll);

const why = layerMissing ? ` (${layerMissing})` : "";

describe.skipIf(layerMissing !== undefined)(`chown-tree${why}`, () => {
  const chown = (path: string, uid: number, gid: number) => call("chown-tree", { path, uid, gid, mappings });

  test("gives a directory and all in it away, of whatever ids, and follows no link", async () => {
    const target = await applied(
      archive(
        directory("d/", { mode: 0o755, uid: 5 }),
        directory("d/none/", { mode: 0o711, uid: 6 }),
        file("d/none/f", "x", { uid: 7, mode: 0o4755 }),
        symlink("d/link", "/etc/passwd"),
      ),
    );
    const before = statSync("/etc/passwd").uid;
    expect(await chown(target, 1000, 2000)).toEqual({ ok: {}, status: 0 });
    for (const name of ["d", "d/none", "d/none/f", "d/link"])
      expect(look(join(target, name))).toMatchObject({ owner: "1000:2000" });
    expect(statSync("/etc/passwd").uid).toBe(before);
  });

  test("a deep tree is no deeper than memory", async () => {
    const target = newTarget();
    let path = target;
    for (let level = 0; level < 300; level++) {
      path = join(path, "d");
      mkdirSync(path);
    }
    expect(await chown(target, 0, 0)).toEqual({ ok: {}, status: 0 });
  });

  test("refuses ids that are not mapped, paths that are not absolute or not there, and links", async () => {
    const target = newTarget();
    expect((await chown(target, 4_000_000_000, 0)).status).toBe(1);
    expect((await chown("tmp", 0, 0)).status).toBe(1);
    expect((await chown(join(target, "not"), 0, 0)).status).toBe(1);
    symlinkSync("/tmp", join(target, "link"));
    expect((await chown(join(target, "link"), 0, 0)).status).toBe(1);
  });
});

describe.skipIf(layerMissing !== undefined)(`tree-size${why}`, () => {
  const size = (path: string) => call<{ sizeBytes: number }>("tree-size", { path, mappings });

  test("is that of the files, a file with two names once, also in what is closed to the caller", async () => {
    const target = await applied(
      archive(
        directory("closed/", { mode: 0o700, uid: 5 }),
        file("closed/f", "12345", { uid: 5, mode: 0o600 }),
      ),
    );
    writeFileSync(join(target, "a"), "123");
    linkSync(join(target, "a"), join(target, "b"));
    writeFileSync(join(target, "hole"), "");
    truncateSync(join(target, "hole"), 100);
    symlinkSync("12345678", join(target, "link"));
    expect(await size(target)).toEqual({ ok: { sizeBytes: 5 + 3 + 100 + 8 }, status: 0 });
  });

  test("is 0 where nothing is", async () => {
    expect(await size(join(newTarget(), "not"))).toEqual({ ok: { sizeBytes: 0 }, status: 0 });
  });
});
