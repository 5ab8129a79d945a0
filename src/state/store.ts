/** Rows that say what the whole store must hold: for the use of disk, for checks, and for blobs that were given up. */
import type { Database } from "bun:sqlite";

export type BlobUse = { digest: string; image_id: string; manifest: string };

/** Every blob that a manifest keeps alive, once a manifest. */
export function allBlobUses(db: Database): BlobUse[] {
  return db
    .query<BlobUse, []>(
      `SELECT manifest_blob.digest AS digest, manifest.image_id AS image_id, manifest.digest AS manifest
       FROM manifest_blob JOIN manifest ON manifest.digest = manifest_blob.manifest ORDER BY 1, 2`,
    )
    .all();
}

/** Blobs that manifest lists hold, whether an image has them or not. */
export function blobsOfLists(db: Database): Set<string> {
  const rows = db
    .query<{ digest: string }, []>(
      "SELECT digest FROM manifest_list_blob UNION SELECT digest FROM artifact_blob",
    )
    .all();
  return new Set(rows.map(({ digest }) => digest));
}

export type StoredLayerRow = { chain_id: string; kind: string; size_bytes: number };

/** Every layer that is unpacked, once a kind. */
export function allStoredLayers(db: Database): StoredLayerRow[] {
  return db
    .query<StoredLayerRow, []>("SELECT chain_id, kind, size_bytes FROM layer ORDER BY kind, chain_id")
    .all();
}

export type LayerUse = { image_id: string; position: number; chain_id: string; diff_id: string };

/** The layers of all images, lowest first. */
export function allLayerUses(db: Database): LayerUse[] {
  return db
    .query<LayerUse, []>(
      "SELECT image_id, position, chain_id, diff_id FROM image_layer ORDER BY image_id, position",
    )
    .all();
}

export type GarbageDigests = { blobs: Set<string>; layers: Set<string> };

/** What is announced, or waits to be removed. */
export function allGarbage(db: Database): GarbageDigests {
  const rows = db.query<{ kind: string; digest: string }, []>("SELECT kind, digest FROM garbage").all();
  const of = (kind: string) => new Set(rows.filter((row) => row.kind === kind).map((row) => row.digest));
  return { blobs: of("blob"), layers: of("layer") };
}

/** Repositories that an image was pulled from or pushed to by this manifest, or by any. */
export function repositoriesOfManifest(db: Database, manifest: string): string[] {
  const rows = db
    .query<{ repository: string }, [string]>(
      "SELECT DISTINCT repository FROM repository_digest WHERE manifest = ? ORDER BY repository",
    )
    .all(manifest);
  return rows.map(({ repository }) => repository);
}

/** Blobs that were given up, and may be fetched again. */
export function droppedBlobs(db: Database): Set<string> {
  const rows = db.query<{ digest: string }, []>("SELECT digest FROM dropped_blob").all();
  return new Set(rows.map(({ digest }) => digest));
}

export function isDropped(db: Database, digest: string): boolean {
  return db.query("SELECT 1 FROM dropped_blob WHERE digest = ?").get(digest) !== null;
}

/** Before the file is removed: a blob that is missing without a row would be damage. */
export function insertDropped(db: Database, digest: string, sizeBytes: number): void {
  db.query("INSERT OR REPLACE INTO dropped_blob VALUES (?, ?)").run(digest, sizeBytes);
}

/** It is here again, or nobody refers to it any more. */
export function deleteDropped(db: Database, digest: string): void {
  db.query("DELETE FROM dropped_blob WHERE digest = ?").run(digest);
}

export type CompressedLayer = { became: string; size_bytes: number };

/** What the layer became when it was compressed so before. */
export function compressedLayer(db: Database, digest: string, format: string): CompressedLayer | null {
  return db
    .query<CompressedLayer, [string, string]>(
      "SELECT became, size_bytes FROM compressed_layer WHERE digest = ? AND format = ?",
    )
    .get(digest, format);
}

export function noteCompressedLayer(
  db: Database,
  digest: string,
  format: string,
  { became, size_bytes }: CompressedLayer,
): void {
  db.query("INSERT OR REPLACE INTO compressed_layer VALUES (?, ?, ?, ?)").run(
    digest,
    format,
    became,
    size_bytes,
  );
}
