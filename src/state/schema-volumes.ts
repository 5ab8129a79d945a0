/** DDL of the volume tables; `volumes.ts` holds their queries. */
export const volumeSchema: string[] = [
  `CREATE TABLE volume (
    name TEXT PRIMARY KEY,
    driver TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    anonymous INTEGER NOT NULL CHECK (anonymous IN (0, 1)),
    labels TEXT NOT NULL,             -- JSON object
    options TEXT NOT NULL,            -- JSON object
    uid INTEGER,                      -- owner of its directory, an id of the containers'; NULL: the image decides
    gid INTEGER
  ) STRICT, WITHOUT ROWID;`,
  // a volume that a row names here cannot be removed
  `CREATE TABLE container_volume (
    container_id TEXT NOT NULL REFERENCES container (id) ON DELETE CASCADE,
    volume_name TEXT NOT NULL REFERENCES volume (name),
    destination TEXT NOT NULL,
    anonymous INTEGER NOT NULL CHECK (anonymous IN (0, 1)),  -- made for this mount, and to go with the container
    PRIMARY KEY (container_id, destination)
  ) STRICT, WITHOUT ROWID;`,
  "CREATE INDEX container_volume_name ON container_volume (volume_name);",
];
