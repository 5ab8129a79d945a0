/** Ranges of subordinate ids that belong to one container each. */
import type { Database } from "bun:sqlite";
import { join } from "node:path";
import { EngineError } from "../error";
import type { Context } from "./context";
import { isLocked } from "./lock";

type Row = { container_id: string; start: number; size: number };

/** Ids that images give to their system's own users: containers with the usual map use these most, so ranges begin above them. */
const SYSTEM_IDS = 1000;

/**
 * A range that no other container has; the same one again for a container that has one of this size. It is free again when the container's row is
 * deleted.
 *
 * @param first,end ids of the usual map that may be given out
 * @returns its first id
 * @throws `unsupported` when there is no such range left
 */
export function takeIdRange(context: Context, id: string, size: number, first: number, end: number): number {
  const db = context.db();
  const take = db.transaction(() => {
    const own = db.query<Row, [string]>("SELECT * FROM id_range WHERE container_id = ?").get(id);
    if (own?.size === size && own.start + size <= end) return own.start;
    if (own) releaseIdRange(db, id);
    const start =
      findFree(db, size, first, end) ?? (forgetLost(context, db) ? findFree(db, size, first, end) : null);
    if (start === null) return null;
    db.query("INSERT INTO id_range (container_id, start, size) VALUES (?, ?, ?)").run(id, start, size);
    return start;
  });
  const start = take.immediate();
  if (start !== null) return start;
  const { n } = db.query<{ n: number }, []>("SELECT count(*) AS n FROM id_range").get() ?? { n: 0 };
  throw new EngineError(
    "unsupported",
    "take ids for a user namespace",
    `${size} ids`,
    `you have ${end - first} subordinate ids, and ${n} containers have ranges of their own`,
    {
      hint: "ask for fewer (--userns auto:size=N), or remove containers that have some",
    },
  );
}

export function releaseIdRange(db: Database, id: string): void {
  db.query("DELETE FROM id_range WHERE container_id = ?").run(id);
}

/** The lowest gap: ranges that were given back are used again, and so are the layers that were made for them. */
function findFree(db: Database, size: number, first: number, end: number): number | null {
  const rows = db.query<Row, []>("SELECT * FROM id_range ORDER BY start").all();
  const search = (from: number): number | null => {
    let at = from;
    for (const row of rows) {
      if (row.start + row.size <= at) continue;
      if (row.start >= at + size) break;
      at = row.start + row.size;
    }
    return at + size <= end ? at : null;
  };
  return search(Math.max(first, SYSTEM_IDS)) ?? search(first);
}

/** Ranges of starts that were killed before their row was written. */
function forgetLost(context: Context, db: Database): boolean {
  const lost = db
    .query<{ container_id: string }, []>(
      "SELECT container_id FROM id_range WHERE container_id NOT IN (SELECT id FROM container)",
    )
    .all()
    .filter(({ container_id }) => !isLocked(join(context.paths.running, container_id)));
  for (const { container_id } of lost) releaseIdRange(db, container_id);
  return lost.length > 0;
}
