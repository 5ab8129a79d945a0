/** DDL of what the store remembers of blobs that it has given up on purpose; `store.ts` holds its queries. */
export const storeSchema: string[] = [
  // layers that are unpacked, and whose blobs can be fetched again: not damage
  `CREATE TABLE dropped_blob (
    digest TEXT PRIMARY KEY,
    size_bytes INTEGER NOT NULL       -- of the file that was there
  ) STRICT, WITHOUT ROWID;`,
];
