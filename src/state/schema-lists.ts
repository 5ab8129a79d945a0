/** DDL of manifest lists and of the names that images have had; `manifest-lists.ts` holds their queries. */
export const listSchema: string[] = [
  `CREATE TABLE manifest_list (
    name TEXT PRIMARY KEY,            -- in full: docker.io/library/app:latest
    id TEXT NOT NULL UNIQUE CHECK (length(id) = 64),
    created_ms INTEGER NOT NULL,
    document TEXT NOT NULL            -- JSON: media type, entries and annotations
  ) STRICT, WITHOUT ROWID;`,
  // blobs of images of this store that a list holds: they outlive the image's own name
  `CREATE TABLE manifest_list_blob (
    name TEXT NOT NULL REFERENCES manifest_list (name) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (name, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX manifest_list_blob_digest ON manifest_list_blob (digest);`,
  // every name that an image has or had
  `CREATE TABLE image_name (
    image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    named_ms INTEGER NOT NULL,
    PRIMARY KEY (image_id, name)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO image_name SELECT image_id, name, tagged_ms FROM tag;
  CREATE TRIGGER image_name_kept AFTER INSERT ON tag BEGIN
    INSERT INTO image_name VALUES (new.image_id, new.name, new.tagged_ms)
      ON CONFLICT DO UPDATE SET named_ms = excluded.named_ms;
  END;`,
];
