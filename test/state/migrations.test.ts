/** A database of an earlier proa is taken over with all that is in it. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../../src/state/database";
import { migrations } from "../../src/state/migrations";

test.each(migrations.map((_, version) => version))(
  "one of version %d gets what is missing and keeps its rows",
  (version) => {
    const directory = mkdtempSync(join(tmpdir(), "proa-state-"));
    const path = join(directory, "state.db");
    try {
      const old = new Database(path, { create: true });
      for (const step of migrations.slice(0, version)) old.run(step);
      old.run(`PRAGMA user_version = ${version}`);
      const id = "a".repeat(64);
      if (version > 0) {
        old.run(
          "INSERT INTO container (id, name, image_ref, command, created_ms, status, auto_remove) VALUES (?, 'web', 'tiny', 'true', 1, 'created', 0)",
          [id],
        );
      }
      old.close();
      const db = openDatabase(path);
      expect(db.query("PRAGMA user_version").get()).toEqual({ user_version: migrations.length });
      expect(db.query("SELECT name FROM container").all()).toEqual(version > 0 ? [{ name: "web" }] : []);
      expect(db.query("SELECT count(*) AS n FROM network").get()).toEqual({ n: 0 });
      expect(db.query("PRAGMA foreign_key_check").all()).toEqual([]);
      db.close();
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
