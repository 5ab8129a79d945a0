/** DDL of the image tables; `images.ts` holds their queries. Digests are `sha256:…` as they stand in the documents. */
export const imageSchema: string[] = [
  `CREATE TABLE image (
    id TEXT PRIMARY KEY,              -- digest of the config
    created_ms INTEGER NOT NULL,      -- 0: the config does not say
    size_bytes INTEGER NOT NULL,      -- uncompressed layers together
    os TEXT NOT NULL,
    architecture TEXT NOT NULL,
    variant TEXT NOT NULL,            -- '' for none
    labels TEXT NOT NULL              -- JSON object, for filters
  ) STRICT, WITHOUT ROWID;`,
  // apart, so that lists need not read past it
  `CREATE TABLE image_config (
    image_id TEXT PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
    config TEXT NOT NULL              -- the config document, byte for byte
  ) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE image_layer (
    image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,        -- 0 is the lowest
    chain_id TEXT NOT NULL,
    diff_id TEXT NOT NULL,
    PRIMARY KEY (image_id, position)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX image_layer_chain ON image_layer (chain_id);`,
  // one image can have come in several manifests: its layers compressed in different ways
  `CREATE TABLE manifest (
    digest TEXT PRIMARY KEY,
    image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    media_type TEXT NOT NULL,
    size_bytes INTEGER NOT NULL       -- of the document
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX manifest_image ON manifest (image_id);`,
  // every blob that a manifest keeps alive: itself, the index it came through, its config, its layers
  `CREATE TABLE manifest_blob (
    manifest TEXT NOT NULL REFERENCES manifest (digest) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (manifest, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX manifest_blob_digest ON manifest_blob (digest);`,
  `CREATE TABLE tag (
    name TEXT PRIMARY KEY,            -- in full: docker.io/library/debian:bookworm
    repository TEXT NOT NULL,         -- docker.io/library/debian
    image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    manifest TEXT NOT NULL REFERENCES manifest (digest) ON DELETE CASCADE,
    tagged_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tag_image ON tag (image_id);
  CREATE INDEX tag_repository ON tag (repository);`,
  `CREATE TABLE repository_digest (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,             -- what the registry calls it: of the index where there is one
    image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    manifest TEXT NOT NULL REFERENCES manifest (digest) ON DELETE CASCADE,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX repository_digest_image ON repository_digest (image_id);`,
  `CREATE TABLE layer (
    chain_id TEXT NOT NULL,
    kind TEXT NOT NULL,               -- directory under layers/: how whiteouts are kept
    size_bytes INTEGER NOT NULL,      -- of the uncompressed tar
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (chain_id, kind)
  ) STRICT, WITHOUT ROWID;`,
  // what is no longer referenced and whose files are still to be removed
  `CREATE TABLE garbage (
    kind TEXT NOT NULL CHECK (kind IN ('blob', 'layer')),
    digest TEXT NOT NULL,
    PRIMARY KEY (kind, digest)
  ) STRICT, WITHOUT ROWID;`,
];
