/** DDL of artifacts, of layers that were compressed anew, and of an index over containers; `artifacts.ts` and `containers.ts` hold their queries. */
export const artifactSchema: string[] = [
  `CREATE TABLE artifact (
    name TEXT PRIMARY KEY,            -- in full: quay.io/team/model:latest
    digest TEXT NOT NULL,             -- of its manifest
    media_type TEXT NOT NULL,         -- of its manifest
    manifest_bytes INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,      -- of its files together
    created_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX artifact_digest ON artifact (digest);`,
  // every blob that an artifact keeps alive: its manifest, its config, its files
  `CREATE TABLE artifact_blob (
    name TEXT NOT NULL REFERENCES artifact (name) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (name, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX artifact_blob_digest ON artifact_blob (digest);`,
  // what a layer became when it was pushed in another compression: a registry that has that need not be sent it again
  `CREATE TABLE compressed_layer (
    digest TEXT NOT NULL,             -- of the layer as the store has it
    format TEXT NOT NULL,             -- and level: gzip, zstd:19
    became TEXT NOT NULL,             -- digest
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (digest, format)
  ) STRICT, WITHOUT ROWID;`,
  // the few containers that need others: a removal asks for them, however many there are in all
  `CREATE INDEX container_requires ON container_spec (id) WHERE instr(spec, '"Requires":["') > 0;`,
];
