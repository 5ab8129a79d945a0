/** DDL of the secrets' table; `secrets.ts` holds its queries. What a secret says is a file of its own, never in the database. */
export const secretSchema: string[] = [
  `CREATE TABLE secret (
    id TEXT PRIMARY KEY CHECK (length(id) = 25),
    name TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    labels TEXT NOT NULL,             -- JSON object
    options TEXT NOT NULL             -- JSON object: of the driver, as the user gave them
  ) STRICT, WITHOUT ROWID;`,
];
