/** The database as --log-level wants it: every statement is timed. One that takes long has waited, for another proa or for the disk. */
import type { Database } from "bun:sqlite";
import { begun, tracing } from "../error";

const WAIT_MS = 5; // no statement of ours takes so long by itself

/** The same database, whose statements and transactions tell how long they took: at level debug those that waited, at trace all. */
export function traced(db: Database): Database {
  const known = new WeakSet<object>();
  const query = db.query.bind(db);
  const run = db.run.bind(db);
  const transaction = db.transaction.bind(db);
  // biome-ignore lint/suspicious/noExplicitAny: they are replaced one by one by functions of their own types
  const target = db as any;
  target.query = (sql: string) => {
    const statement = query(sql);
    if (known.has(statement)) return statement; // Bun keeps them by their text
    known.add(statement);
    for (const name of ["get", "all", "run", "values"] as const) {
      // biome-ignore lint/suspicious/noExplicitAny: see above
      const own = (statement as any)[name].bind(statement);
      // biome-ignore lint/suspicious/noExplicitAny: see above
      (statement as any)[name] = (...given: unknown[]) => timed(sql, () => own(...given));
    }
    return statement;
  };
  target.run = (sql: string, ...given: []) => timed(sql, () => run(sql, ...given));
  target.transaction = (work: (...given: unknown[]) => unknown) => {
    const usual = transaction(work);
    const wrap =
      (own: (...given: unknown[]) => unknown) =>
      (...given: unknown[]) =>
        timed("transaction", () => own(...given));
    return Object.assign(wrap(usual), {
      deferred: wrap(usual.deferred),
      immediate: wrap(usual.immediate),
      exclusive: wrap(usual.exclusive),
    });
  };
  return db;
}

function timed<T>(sql: string, work: () => T): T {
  const startMs = performance.now();
  const done = begun("trace", `database: ${sql.replace(/\s+/g, " ").trim()}`);
  try {
    return work();
  } finally {
    done?.("done");
    const tookMs = performance.now() - startMs;
    if (tookMs >= WAIT_MS)
      tracing.hear?.(
        "debug",
        `database: ${tookMs.toFixed(1)} ms for ${sql.slice(0, 60).replace(/\s+/g, " ").trim()}`,
      );
  }
}
