/** DDL of the id ranges of containers with a user namespace of their own; `id-ranges.ts` holds their queries. */
export const idSchema: string[] = [
  // No reference to container: a range is taken before the row is written, and the lock of the run directory says whether somebody is at it.
  `CREATE TABLE id_range (
    container_id TEXT PRIMARY KEY,
    start INTEGER NOT NULL,           -- in the ids of the usual map
    size INTEGER NOT NULL CHECK (size > 0)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER container_id_range AFTER DELETE ON container BEGIN
    DELETE FROM id_range WHERE container_id = OLD.id;
  END;`,
];
