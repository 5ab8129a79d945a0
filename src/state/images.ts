/** Rows of the image tables. Digests and chain ids are text, `sha256:…`; times are milliseconds since the epoch. */
import type { Database } from "bun:sqlite";

export type ImageRow = {
  id: string;
  created_ms: number;
  size_bytes: number;
  os: string;
  architecture: string;
  variant: string;
  /** JSON object. */
  labels: string;
};

export type TagRow = {
  name: string;
  repository: string;
  image_id: string;
  manifest: string;
  tagged_ms: number;
};

export type RepositoryDigestRow = { repository: string; digest: string; image_id: string; manifest: string };

export type ImageListRow = ImageRow & { containers: number };

/** All that is recorded when an image has arrived; its blobs and layers are in place by then. */
export type NewImage = {
  image: ImageRow;
  /** The config document, byte for byte. */
  config: string;
  /** Lowest first. */
  layers: { chainId: string; diffId: string }[];
  manifest: { digest: string; mediaType: string; sizeBytes: number };
  /** Digests of every blob that the manifest keeps alive, its own among them. */
  blobs: string[];
  /** Full names, and their repositories. */
  tags: { name: string; repository: string }[];
  repositoryDigests: { repository: string; digest: string }[];
  nowMs: number;
};

const IMAGE = "id, created_ms, size_bytes, os, architecture, variant, labels";

/** Record an image under its names, all or nothing. Names move here from the images that had them. */
export function insertImage(db: Database, arrived: NewImage): void {
  const insert = db.transaction(() => {
    const { image, manifest } = arrived;
    db.query(
      `INSERT INTO image (${IMAGE})
       VALUES ($id, $created_ms, $size_bytes, $os, $architecture, $variant, $labels) ON CONFLICT DO NOTHING`,
    ).run(image);
    db.query("INSERT INTO image_config (image_id, config) VALUES (?, ?) ON CONFLICT DO NOTHING").run(
      image.id,
      arrived.config,
    );
    arrived.layers.forEach(({ chainId, diffId }, position) => {
      db.query("INSERT INTO image_layer VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING").run(
        image.id,
        position,
        chainId,
        diffId,
      );
      db.query("DELETE FROM garbage WHERE kind = 'layer' AND digest = ?").run(chainId);
    });
    db.query("INSERT INTO manifest VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING").run(
      manifest.digest,
      image.id,
      manifest.mediaType,
      manifest.sizeBytes,
    );
    for (const digest of arrived.blobs) {
      db.query("INSERT INTO manifest_blob VALUES (?, ?) ON CONFLICT DO NOTHING").run(manifest.digest, digest);
      db.query("DELETE FROM garbage WHERE kind = 'blob' AND digest = ?").run(digest);
    }
    for (const { name, repository } of arrived.tags) {
      putTag(db, {
        name,
        repository,
        image_id: image.id,
        manifest: manifest.digest,
        tagged_ms: arrived.nowMs,
      });
    }
    for (const { repository, digest } of arrived.repositoryDigests) {
      db.query("INSERT OR REPLACE INTO repository_digest VALUES (?, ?, ?, ?)").run(
        repository,
        digest,
        image.id,
        manifest.digest,
      );
    }
  });
  insert.immediate();
}

function putTag(db: Database, row: TagRow): void {
  db.query("INSERT OR REPLACE INTO tag VALUES ($name, $repository, $image_id, $manifest, $tagged_ms)").run(
    row,
  );
}

/** The size of an image that was recorded before its layers were here. */
export function setImageSize(db: Database, id: string, sizeBytes: number): void {
  db.query("UPDATE image SET size_bytes = ? WHERE id = ?").run(sizeBytes, id);
}

/** Give an image one name more, taking it from the image that had it. */
export function insertTag(db: Database, row: TagRow): void {
  db.transaction(() => putTag(db, row)).immediate();
}

export function imageById(db: Database, id: string): ImageRow | null {
  return db.query<ImageRow, [string]>(`SELECT ${IMAGE} FROM image WHERE id = ?`).get(id);
}

/** Images whose id begins so (`sha256:` and hexadecimal digits, checked by the caller); two tell that it is ambiguous. */
export function imagesByIdPrefix(db: Database, prefix: string): ImageRow[] {
  return db
    .query<ImageRow, [string, string]>(`SELECT ${IMAGE} FROM image WHERE id >= ? AND id < ? LIMIT 2`)
    .all(prefix, `${prefix}g`); // 'g' sorts behind every hexadecimal digit
}

export function tagByName(db: Database, name: string): TagRow | null {
  return db.query<TagRow, [string]>("SELECT * FROM tag WHERE name = ?").get(name);
}

export function repositoryDigest(
  db: Database,
  repository: string,
  digest: string,
): RepositoryDigestRow | null {
  return db
    .query<RepositoryDigestRow, [string, string]>(
      "SELECT * FROM repository_digest WHERE repository = ? AND digest = ?",
    )
    .get(repository, digest);
}

/** Every image, newest first, and how many containers were made of it: all that a list shows, in one query. */
export function allImages(db: Database): ImageListRow[] {
  return db
    .query<ImageListRow, []>(
      `SELECT ${IMAGE}, (SELECT count(*) FROM container WHERE container.image_id = image.id) AS containers
       FROM image ORDER BY created_ms DESC, id`,
    )
    .all();
}

/** id, milliseconds of creation, bytes, and a name; null where it has none. */
export type ImageNameRow = [id: string, createdMs: number, sizeBytes: number, name: string | null];

/** What a table for people shows of images, a row a name, in the order of `allImages()` and `allTags()`: a quarter of what those two read. */
export function allImageNames(db: Database): ImageNameRow[] {
  return db
    .query(
      `SELECT image.id, created_ms, size_bytes, name FROM image LEFT JOIN tag ON tag.image_id = image.id
       ORDER BY created_ms DESC, image.id, name`,
    )
    .values() as ImageNameRow[];
}

/** Image and repository where that has no tag of the image: it was pulled by digest, or its tag has moved. */
export function allBareRepositories(db: Database): [imageId: string, repository: string][] {
  return db
    .query(
      `SELECT image_id, repository FROM repository_digest AS own
       WHERE NOT EXISTS (SELECT 1 FROM tag WHERE tag.image_id = own.image_id AND tag.repository = own.repository)
       ORDER BY repository, digest`,
    )
    .values() as [string, string][];
}

export function countImageRows(db: Database): number {
  return db.query<{ n: number }, []>("SELECT count(*) AS n FROM image").get()?.n ?? 0;
}

/** Bytes of each unpacked layer of an image, lowest first; 0 where it is not unpacked. */
export function layerSizesOfImage(db: Database, id: string): number[] {
  const rows = db
    .query<{ size: number }, [string]>(
      `SELECT coalesce((SELECT max(size_bytes) FROM layer WHERE layer.chain_id = l.chain_id), 0) AS size
       FROM image_layer AS l WHERE image_id = ? ORDER BY position`,
    )
    .all(id);
  return rows.map((row) => row.size);
}

/** The images whose layers are those of this one and more. */
export function imagesUpon(db: Database, id: string): Set<string> {
  const rows = db
    .query<{ image_id: string }, [string]>(
      `SELECT upper.image_id FROM image_layer AS top
       JOIN image_layer AS upper ON upper.chain_id = top.chain_id AND upper.image_id <> top.image_id
       WHERE top.image_id = ?1 AND top.position = (SELECT max(position) FROM image_layer WHERE image_id = ?1)
         AND EXISTS (SELECT 1 FROM image_layer AS more
                     WHERE more.image_id = upper.image_id AND more.position > upper.position)`,
    )
    .all(id);
  return new Set(rows.map(({ image_id }) => image_id));
}

export function allTags(db: Database): TagRow[] {
  return db.query<TagRow, []>("SELECT * FROM tag ORDER BY name").all();
}

export function allRepositoryDigests(db: Database): RepositoryDigestRow[] {
  return db
    .query<RepositoryDigestRow, []>("SELECT * FROM repository_digest ORDER BY repository, digest")
    .all();
}

export function tagsOfImage(db: Database, id: string): TagRow[] {
  return db.query<TagRow, [string]>("SELECT * FROM tag WHERE image_id = ? ORDER BY name").all(id);
}

export function repositoryDigestsOfImage(db: Database, id: string): RepositoryDigestRow[] {
  return db
    .query<RepositoryDigestRow, [string]>(
      "SELECT * FROM repository_digest WHERE image_id = ? ORDER BY repository, digest",
    )
    .all(id);
}

/** The config document of an image, byte for byte. */
export function imageConfig(db: Database, id: string): string | null {
  const row = db
    .query<{ config: string }, [string]>("SELECT config FROM image_config WHERE image_id = ?")
    .get(id);
  return row?.config ?? null;
}

export type ImageLayerRow = { chain_id: string; diff_id: string; is_present: 0 | 1 };

/** The layers of an image, lowest first, and whether each is unpacked in this kind. */
export function layersOfImage(db: Database, id: string, kind: string): ImageLayerRow[] {
  return db
    .query<ImageLayerRow, [string, string]>(
      `SELECT chain_id, diff_id, EXISTS (SELECT 1 FROM layer WHERE layer.chain_id = l.chain_id AND kind = ?) AS is_present
       FROM image_layer AS l WHERE image_id = ? ORDER BY position`,
    )
    .all(kind, id);
}

/** Digests of the manifests that an image came in. */
export function manifestsOfImage(db: Database, id: string): string[] {
  const rows = db
    .query<{ digest: string }, [string]>("SELECT digest FROM manifest WHERE image_id = ? ORDER BY digest")
    .all(id);
  return rows.map((row) => row.digest);
}

export type IndexEntryRow = { name: string; manifest: string; media_type: string; size_bytes: number };

/** What index.json lists: each name and its manifest. */
export function indexEntries(db: Database): IndexEntryRow[] {
  return db
    .query<IndexEntryRow, []>(
      `SELECT tag.name AS name, tag.manifest AS manifest, media_type, size_bytes
       FROM tag JOIN manifest ON manifest.digest = tag.manifest
       UNION ALL
       SELECT '' AS name, manifest.digest, media_type, size_bytes
       FROM manifest WHERE NOT EXISTS (SELECT 1 FROM tag WHERE tag.manifest = manifest.digest)
       UNION ALL
       SELECT name, digest, media_type, manifest_bytes FROM artifact
       ORDER BY name, manifest`,
    )
    .all();
}

/** Remember an unpacked layer. Another process may have been first; both layers are equal then. */
export function insertLayer(
  db: Database,
  row: { chain_id: string; kind: string; size_bytes: number; created_ms: number },
): void {
  db.query(
    "INSERT INTO layer VALUES ($chain_id, $kind, $size_bytes, $created_ms) ON CONFLICT DO NOTHING",
  ).run(row);
}

/** Bytes of all unpacked layers together. */
export function unpackedBytes(db: Database): number {
  return db.query<{ n: number }, []>("SELECT coalesce(sum(size_bytes), 0) AS n FROM layer").get()?.n ?? 0;
}

/** Bytes of an unpacked layer, or null where it is not there. */
export function layerSize(db: Database, chainId: string, kind: string): number | null {
  const row = db
    .query<{ size_bytes: number }, [string, string]>(
      "SELECT size_bytes FROM layer WHERE chain_id = ? AND kind = ?",
    )
    .get(chainId, kind);
  return row?.size_bytes ?? null;
}

/** Forget an unpacked layer whose directory has gone. */
export function deleteLayer(db: Database, chainId: string, kind?: string): void {
  if (kind === undefined) db.query("DELETE FROM layer WHERE chain_id = ?").run(chainId);
  else db.query("DELETE FROM layer WHERE chain_id = ? AND kind = ?").run(chainId, kind);
}

/**
 * Put down as garbage the manifests of an image that no name stands for any more, if another manifest still holds its layers. The image itself
 * stays, and so does its last manifest: layers can be unpacked from it again.
 */
function dropUnnamedManifests(db: Database, imageId: string): void {
  const all = manifestsOfImage(db, imageId);
  const unnamed = all.filter(
    (digest) =>
      db.query("SELECT 1 FROM tag WHERE manifest = ? LIMIT 1").get(digest) === null &&
      db.query("SELECT 1 FROM repository_digest WHERE manifest = ? LIMIT 1").get(digest) === null,
  );
  for (const digest of unnamed.length === all.length ? unnamed.slice(1) : unnamed) {
    db.query("INSERT OR IGNORE INTO garbage SELECT 'blob', digest FROM manifest_blob WHERE manifest = ?").run(
      digest,
    );
    db.query("DELETE FROM manifest WHERE digest = ?").run(digest);
  }
}

/**
 * Take a name away. When it was the last of its image in that repository, the repository's digests of the image go with it.
 *
 * @returns those digests; null where somebody else has taken the name meanwhile
 */
export function deleteTag(db: Database, tag: TagRow): RepositoryDigestRow[] | null {
  const remove = db.transaction(() => {
    const { changes } = db
      .query("DELETE FROM tag WHERE name = ? AND image_id = ?")
      .run(tag.name, tag.image_id);
    if (changes === 0) return null;
    const others = db
      .query("SELECT 1 FROM tag WHERE image_id = ? AND repository = ? LIMIT 1")
      .get(tag.image_id, tag.repository);
    if (others !== null) {
      dropUnnamedManifests(db, tag.image_id);
      return [];
    }
    const gone = db
      .query<RepositoryDigestRow, [string, string]>(
        "SELECT * FROM repository_digest WHERE image_id = ? AND repository = ?",
      )
      .all(tag.image_id, tag.repository);
    db.query("DELETE FROM repository_digest WHERE image_id = ? AND repository = ?").run(
      tag.image_id,
      tag.repository,
    );
    dropUnnamedManifests(db, tag.image_id);
    return gone;
  });
  return remove.immediate();
}

export function deleteRepositoryDigest(db: Database, row: RepositoryDigestRow): void {
  const remove = db.transaction(() => {
    db.query("DELETE FROM repository_digest WHERE repository = ? AND digest = ?").run(
      row.repository,
      row.digest,
    );
    dropUnnamedManifests(db, row.image_id);
  });
  remove.immediate();
}

/**
 * Forget an image, and put down as garbage what only it held. Refused (returns null, nothing is changed) while a container is made of it.
 *
 * @returns chain ids of the layers that nothing refers to any more, highest first
 */
export function deleteImage(db: Database, id: string): string[] | null {
  const remove = db.transaction(() => {
    if (db.query("SELECT 1 FROM container WHERE image_id = ? LIMIT 1").get(id) !== null) return null;
    db.query(
      `INSERT OR IGNORE INTO garbage
       SELECT 'blob', digest FROM manifest_blob WHERE manifest IN (SELECT digest FROM manifest WHERE image_id = ?)`,
    ).run(id);
    const chain = db
      .query<{ chain_id: string }, [string]>(
        "SELECT chain_id FROM image_layer WHERE image_id = ? ORDER BY position DESC",
      )
      .all(id);
    db.query("DELETE FROM image WHERE id = ?").run(id);
    const free = chain.map((row) => row.chain_id).filter((chainId) => !isLayerUsed(db, chainId));
    for (const chainId of free) db.query("INSERT OR IGNORE INTO garbage VALUES ('layer', ?)").run(chainId);
    return free;
  });
  return remove.immediate();
}

function isLayerUsed(db: Database, chainId: string): boolean {
  return db.query("SELECT 1 FROM image_layer WHERE chain_id = ? LIMIT 1").get(chainId) !== null;
}

export type GarbageRow = { kind: "blob" | "layer"; digest: string };

/**
 * Put content down as garbage before it is written: if its image never comes to be, the next collector finds it. Content that an image
 * refers to is not removed for being on the list.
 */
export function insertGarbage(db: Database, rows: GarbageRow[]): void {
  const insert = db.transaction(() => {
    for (const { kind, digest } of rows)
      db.query("INSERT OR IGNORE INTO garbage VALUES (?, ?)").run(kind, digest);
  });
  insert.immediate();
}

export function hasGarbage(db: Database): boolean {
  return db.query("SELECT 1 FROM garbage LIMIT 1").get() !== null;
}

/** What has to be removed. What an image refers to again has been taken off the list. */
export function takeGarbage(db: Database): GarbageRow[] {
  if (!hasGarbage(db)) return []; // no write lock for nothing
  const take = db.transaction(() => {
    db.run(
      `DELETE FROM garbage WHERE kind = 'blob' AND digest IN (SELECT digest FROM manifest_blob);
       DELETE FROM garbage WHERE kind = 'blob' AND digest IN (SELECT digest FROM manifest_list_blob);
       DELETE FROM garbage WHERE kind = 'blob' AND digest IN (SELECT digest FROM artifact_blob);
       DELETE FROM garbage WHERE kind = 'layer' AND digest IN (SELECT chain_id FROM image_layer);
       DELETE FROM compressed_layer WHERE digest IN (SELECT digest FROM garbage WHERE kind = 'blob');`,
    );
    return db.query<GarbageRow, []>("SELECT * FROM garbage").all();
  });
  return take.immediate();
}

export function deleteGarbage(db: Database, rows: GarbageRow[]): void {
  const remove = db.transaction(() => {
    for (const row of rows) {
      db.query("DELETE FROM garbage WHERE kind = ? AND digest = ?").run(row.kind, row.digest);
    }
  });
  remove.immediate();
}

/** Repositories that a blob is known to be in: those whose names and digests stand for a manifest that has it. */
export function repositoriesWithBlob(db: Database, digest: string): string[] {
  const rows = db
    .query<{ repository: string }, [string]>(
      `SELECT DISTINCT repository_digest.repository AS repository FROM manifest_blob
       JOIN repository_digest ON repository_digest.manifest = manifest_blob.manifest
       WHERE manifest_blob.digest = ? ORDER BY repository`,
    )
    .all(digest);
  return rows.map((row) => row.repository);
}

/** Remember that a repository has an image under a digest. */
export function insertRepositoryDigest(db: Database, row: RepositoryDigestRow): void {
  db.query(
    "INSERT OR REPLACE INTO repository_digest VALUES ($repository, $digest, $image_id, $manifest)",
  ).run(row);
}
