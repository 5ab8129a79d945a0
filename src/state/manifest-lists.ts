import type { Database } from "bun:sqlite";

/** Rows of manifest lists, and of the names that images have had. */

export type ManifestListRow = { name: string; id: string; created_ms: number; document: string };

export function manifestListByName(db: Database, name: string): ManifestListRow | null {
  return db.query<ManifestListRow, [string]>("SELECT * FROM manifest_list WHERE name = ?").get(name);
}

/** Lists whose id begins so (hexadecimal digits, checked by the caller); two tell that it is ambiguous. */
export function manifestListsByIdPrefix(db: Database, prefix: string): ManifestListRow[] {
  return db
    .query<ManifestListRow, [string, string]>(
      "SELECT * FROM manifest_list WHERE id >= ? AND id < ? ORDER BY id LIMIT 2",
    )
    .all(prefix, `${prefix}g`); // 'g' sorts behind every hexadecimal digit
}

/** Write a list and which blobs of the store it holds, in place of what it was. What it no longer holds is put down as garbage. */
export function putManifestList(db: Database, row: ManifestListRow, blobs: readonly string[]): void {
  const put = db.transaction(() => {
    releaseBlobs(db, row.name);
    db.query(
      `INSERT INTO manifest_list VALUES ($name, $id, $created_ms, $document)
       ON CONFLICT (name) DO UPDATE SET id = excluded.id, created_ms = excluded.created_ms, document = excluded.document`,
    ).run(row);
    for (const digest of blobs) {
      db.query("INSERT INTO manifest_list_blob VALUES (?, ?) ON CONFLICT DO NOTHING").run(row.name, digest);
      db.query("DELETE FROM garbage WHERE kind = 'blob' AND digest = ?").run(digest);
    }
  });
  put.immediate();
}

/** Returns false where somebody else has removed it meanwhile. */
export function deleteManifestList(db: Database, row: ManifestListRow): boolean {
  const remove = db.transaction(() => {
    releaseBlobs(db, row.name);
    return db.query("DELETE FROM manifest_list WHERE name = ? AND id = ?").run(row.name, row.id).changes > 0;
  });
  return remove.immediate();
}

/** The collector takes off the garbage list what an image or another list still holds. */
function releaseBlobs(db: Database, name: string): void {
  db.query("INSERT OR IGNORE INTO garbage SELECT 'blob', digest FROM manifest_list_blob WHERE name = ?").run(
    name,
  );
  db.query("DELETE FROM manifest_list_blob WHERE name = ?").run(name);
}

export type ManifestFacts = { digest: string; media_type: string; size_bytes: number };

/** A manifest that an image came in. */
export function manifestFacts(db: Database, digest: string): ManifestFacts | null {
  return db
    .query<ManifestFacts, [string]>("SELECT digest, media_type, size_bytes FROM manifest WHERE digest = ?")
    .get(digest);
}

/** Digests of every blob that a manifest keeps alive, its own among them. */
export function blobsOfManifest(db: Database, digest: string): string[] {
  return db
    .query<{ digest: string }, [string]>(
      "SELECT digest FROM manifest_blob WHERE manifest = ? ORDER BY digest",
    )
    .all(digest)
    .map((row) => row.digest);
}

/** Every name that an image has or had, the newest first. */
export function namesHistory(db: Database, imageId: string): string[] {
  return db
    .query<{ name: string }, [string]>(
      "SELECT name FROM image_name WHERE image_id = ? ORDER BY named_ms DESC, name",
    )
    .all(imageId)
    .map((row) => row.name);
}

/** Ids of the images whose last layer has this chain id. */
export function imagesEndingWith(db: Database, chainId: string): string[] {
  return db
    .query<{ image_id: string }, [string]>(
      `SELECT image_id FROM image_layer AS l WHERE chain_id = ?
       AND NOT EXISTS (SELECT 1 FROM image_layer AS m WHERE m.image_id = l.image_id AND m.position > l.position)
       ORDER BY image_id`,
    )
    .all(chainId)
    .map((row) => row.image_id);
}
