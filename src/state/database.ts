/** The one place that opens state.db. */
import { Database } from "bun:sqlite";
import { chmodSync } from "node:fs";
import { dirname } from "node:path";
import { begun, EngineError, tracing } from "../error";
import { isDiskFull, layReserve, shrinkReserve } from "./reserve";

/** SQLite's waiters look again and again, with no queue: of 200 that write at once on a busy machine the unlucky wait for 20 s. */
const BUSY_TIMEOUT_MS = 60_000;

/** How many migrations there are. Their text is loaded only where one is due. */
const SCHEMA = 9;

/**
 * Pages in the WAL that make a commit move them into the database, which waits for the disk. Nobody keeps the database open, so each command reads
 * the whole WAL before anything else: with SQLite's usual 1000 pages that is up to 2 ms of CPU. A `run --rm` writes 14.
 */
const WAL_PAGES = 250;
const OPEN_TRIES = 50;

/** Open the database at `path`, made and migrated as needed. Safe under parallel first starts. */
export function openDatabase(path: string): Database {
  const done = begun("debug", `open database ${path}`);
  let isShrunk = false;
  for (let attempt = 1; ; attempt++) {
    try {
      const db = open(path);
      if (tracing.hear === undefined) return db;
      done?.(attempt === 1 ? "at once" : `at attempt ${attempt}`);
      return (require("./_traced") as typeof import("./_traced")).traced(db);
    } catch (error) {
      if (!isShrunk && isDiskFull(error) && shrinkReserve(dirname(path))) {
        isShrunk = true; // reading, too, needs the log's index
        continue;
      }
      // creating the WAL can say "locked" in spite of the busy timeout
      if (attempt === OPEN_TRIES || !isBusy(error)) throw wrap(path, error);
      Bun.sleepSync(10);
    }
  }
}

/**
 * Open the database at `path` for a glance: nothing in it can be changed, and nothing is migrated or waited for; SQLite makes its own two files beside it where they
 * are not there. Throws SQLite's errors, and `unsupported` where another proa has made it.
 */
export function openToRead(path: string): Database {
  const db = new Database(path, { readonly: true, strict: true });
  try {
    if (versionOf(db) === SCHEMA) return db;
    throw new EngineError("unsupported", "open state", path, "its schema is that of another proa");
  } catch (error) {
    db.close();
    throw error;
  }
}

function versionOf(db: Database): number {
  return db.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0;
}

function open(path: string): Database {
  const db = new Database(path, { create: true, readwrite: true, strict: true });
  try {
    // at once, for each call takes its time. NORMAL: in WAL a crash loses nothing; a power cut may lose the last rows, and lock and files tell
    db.run(
      `PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${WAL_PAGES}`,
    );
    if (versionOf(db) !== SCHEMA) migrate(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function migrate(db: Database, path: string): void {
  const { migrations } = require("./migrations") as typeof import("./migrations");
  if (migrations.length !== SCHEMA) throw new Error(`${migrations.length} migrations, expected ${SCHEMA}`);
  chmodSync(path, 0o600); // before its journal is made, which takes the mode over: it holds what containers are given as secrets
  layReserve(dirname(path));
  db.run("PRAGMA foreign_keys = OFF"); // tables are made anew, and named otherwise
  db.run("PRAGMA journal_mode = WAL"); // alone: of several statements Bun tells the last one's error only, and this one can fail
  db.transaction(() => {
    const version = versionOf(db);
    if (version > migrations.length) {
      throw new EngineError(
        "unsupported",
        "open state",
        path,
        `schema ${version} is newer than this proa knows`,
        {
          hint: "use the proa that wrote it, or a newer one",
        },
      );
    }
    for (const step of migrations.slice(version)) db.run(step);
    db.run(`PRAGMA user_version = ${migrations.length}`);
  }).immediate();
  db.run("PRAGMA foreign_keys = ON");
}

function isBusy(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? "";
  return code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED");
}

/** Whether what is in the file can no longer be read. */
function isDamaged(error: unknown): boolean {
  return /^SQLITE_(NOTADB|CORRUPT)/.test(String((error as { code?: unknown }).code));
}

function wrap(path: string, error: unknown): Error {
  if (error instanceof EngineError) return error;
  const more = isDamaged(error)
    ? {
        // what is behind it is a comment to a shell
        hint: `mv ${path} ${path}.damaged  # containers and images are then forgotten, their files stay`,
      }
    : {};
  return new EngineError("io", "open state", path, error, more);
}
