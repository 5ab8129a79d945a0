/** Rows of volumes, and of what containers mount of them. */
import type { Database } from "bun:sqlite";

export type Volume = {
  name: string;
  driver: string;
  /** Milliseconds since the epoch. */
  createdMs: number;
  anonymous: boolean;
  labels: Record<string, string>;
  /** As the user gave them. */
  options: Record<string, string>;
  /** Owner of its directory, an id of the containers'; null: the image decides. */
  uid: number | null;
  gid: number | null;
};

type Row = {
  name: string;
  driver: string;
  created_ms: number;
  anonymous: 0 | 1;
  labels: string;
  options: string;
  uid: number | null;
  gid: number | null;
};

const COLUMNS = "name, driver, created_ms, anonymous, labels, options, uid, gid";

function volumeOf(row: Row): Volume {
  return {
    name: row.name,
    driver: row.driver,
    createdMs: row.created_ms,
    anonymous: row.anonymous === 1,
    labels: JSON.parse(row.labels),
    options: JSON.parse(row.options),
    uid: row.uid,
    gid: row.gid,
  };
}

export function insertVolume(db: Database, volume: Volume): void {
  db.query(
    `INSERT INTO volume (${COLUMNS}) VALUES ($name, $driver, $created_ms, $anonymous, $labels, $options, $uid, $gid)`,
  ).run({
    name: volume.name,
    driver: volume.driver,
    created_ms: volume.createdMs,
    anonymous: volume.anonymous ? 1 : 0,
    labels: JSON.stringify(volume.labels),
    options: JSON.stringify(volume.options),
    uid: volume.uid,
    gid: volume.gid,
  });
}

export function volumeByName(db: Database, name: string): Volume | null {
  const row = db.query<Row, [string]>(`SELECT ${COLUMNS} FROM volume WHERE name = ?`).get(name);
  return row && volumeOf(row);
}

/** Anonymous volumes whose names begin with `prefix` (hexadecimal, checked by the caller); two are enough to tell that it is ambiguous. */
export function anonymousVolumesByPrefix(db: Database, prefix: string): Volume[] {
  return db
    .query<Row, [string, string]>(
      `SELECT ${COLUMNS} FROM volume WHERE name >= ? AND name < ? AND anonymous = 1 LIMIT 2`,
    )
    .all(prefix, `${prefix}g`) // 'g' sorts behind every hexadecimal digit
    .map(volumeOf);
}

/** In the order of their names. */
export function allVolumes(db: Database): Volume[] {
  return db.query<Row, []>(`SELECT ${COLUMNS} FROM volume ORDER BY name`).all().map(volumeOf);
}

/** The row of a volume that no container mounts: the reference of one that does makes this fail. */
export function deleteVolume(db: Database, name: string): void {
  db.query("DELETE FROM volume WHERE name = ?").run(name);
}

/** A container that mounts a volume. */
export type VolumeUser = { id: string; name: string; status: string };

export function usersOfVolume(db: Database, name: string): VolumeUser[] {
  return db
    .query<VolumeUser, [string]>(
      `SELECT DISTINCT container.id AS id, container.name AS name, container.status AS status
       FROM container_volume JOIN container ON container.id = container_id WHERE volume_name = ? ORDER BY container.id`,
    )
    .all(name);
}

/** By volume, how many containers mount it. */
export function volumeUseCounts(db: Database): Map<string, number> {
  const rows = db
    .query<{ name: string; count: number }, []>(
      "SELECT volume_name AS name, count(DISTINCT container_id) AS count FROM container_volume GROUP BY volume_name",
    )
    .all();
  return new Map(rows.map(({ name, count }) => [name, count]));
}

export function insertContainerVolume(
  db: Database,
  containerId: string,
  volumeName: string,
  destination: string,
  anonymous: boolean,
): void {
  db.query(
    "INSERT INTO container_volume (container_id, volume_name, destination, anonymous) VALUES (?, ?, ?, ?)",
  ).run(containerId, volumeName, destination, anonymous ? 1 : 0);
}

/** Names of the volumes that were made for the mounts of these containers. */
export function anonymousVolumesOf(db: Database, containerIds: readonly string[]): string[] {
  const query = db.query<{ name: string }, [string]>(
    "SELECT DISTINCT volume_name AS name FROM container_volume WHERE container_id = ? AND anonymous = 1",
  );
  return [...new Set(containerIds.flatMap((id) => query.all(id).map(({ name }) => name)))];
}
