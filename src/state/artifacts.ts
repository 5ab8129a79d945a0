/** Rows of artifacts: files that registries keep like images. */
import type { Database } from "bun:sqlite";

export type ArtifactRow = {
  /** In full: `quay.io/team/model:latest`. */
  name: string;
  /** Of its manifest. */
  digest: string;
  media_type: string;
  manifest_bytes: number;
  /** Of its files together. */
  size_bytes: number;
  created_ms: number;
};

const COLUMNS = "name, digest, media_type, manifest_bytes, size_bytes, created_ms";

/** Write an artifact and the blobs that it holds, in place of what had its name. What nobody holds any more is put down as garbage. */
export function putArtifact(db: Database, row: ArtifactRow, blobs: readonly string[]): void {
  const put = db.transaction(() => {
    release(db, row.name);
    db.query("DELETE FROM artifact WHERE name = ?").run(row.name);
    db.query(
      `INSERT INTO artifact (${COLUMNS}) VALUES ($name, $digest, $media_type, $manifest_bytes, $size_bytes, $created_ms)`,
    ).run(row);
    for (const digest of blobs) {
      db.query("INSERT INTO artifact_blob VALUES (?, ?) ON CONFLICT DO NOTHING").run(row.name, digest);
      db.query("DELETE FROM garbage WHERE kind = 'blob' AND digest = ?").run(digest);
    }
  });
  put.immediate();
}

/** Returns false where somebody else has removed or replaced it meanwhile. */
export function deleteArtifact(db: Database, row: ArtifactRow): boolean {
  const remove = db.transaction(() => {
    const known = artifactByName(db, row.name);
    if (known?.digest !== row.digest) return false;
    release(db, row.name);
    return db.query("DELETE FROM artifact WHERE name = ?").run(row.name).changes > 0;
  });
  return remove.immediate();
}

/** The collector takes off the garbage list what an image or another artifact still holds. */
function release(db: Database, name: string): void {
  db.query("INSERT OR IGNORE INTO garbage SELECT 'blob', digest FROM artifact_blob WHERE name = ?").run(name);
}

export function artifactByName(db: Database, name: string): ArtifactRow | null {
  return db.query<ArtifactRow, [string]>(`SELECT ${COLUMNS} FROM artifact WHERE name = ?`).get(name);
}

/** Artifacts whose digest begins so (`sha256:` and hexadecimal digits, checked by the caller). */
export function artifactsByDigestPrefix(db: Database, prefix: string): ArtifactRow[] {
  return db
    .query<ArtifactRow, [string, string]>(
      `SELECT ${COLUMNS} FROM artifact WHERE digest >= ? AND digest < ? ORDER BY name`,
    )
    .all(prefix, `${prefix}g`); // 'g' sorts behind every hexadecimal digit
}

export function allArtifacts(db: Database): ArtifactRow[] {
  return db.query<ArtifactRow, []>(`SELECT ${COLUMNS} FROM artifact ORDER BY name`).all();
}

/** Digests of every blob that artifacts hold, whether an image has them or not. */
export function artifactBlobs(db: Database): string[] {
  const rows = db.query<{ digest: string }, []>("SELECT DISTINCT digest FROM artifact_blob").all();
  return rows.map(({ digest }) => digest);
}

export type ArtifactBlobUse = { digest: string; name: string };

/** Every blob that an artifact holds, once an artifact. */
export function artifactBlobUses(db: Database): ArtifactBlobUse[] {
  return db.query<ArtifactBlobUse, []>("SELECT digest, name FROM artifact_blob ORDER BY digest, name").all();
}
