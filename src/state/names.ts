/** Names and little more, for completion, which is asked at a key press: one query each, and no more columns than are shown. */
import type { Database } from "bun:sqlite";
import type { ContainerStatus } from "./containers";

export type ContainerName = { id: string; name: string; image_ref: string; status: ContainerStatus };

/** Newest first; with a status, those only. */
export function containerNames(db: Database, status?: ContainerStatus): ContainerName[] {
  const where = status === undefined ? "" : "WHERE status = ?";
  return db
    .query<ContainerName, string[]>(
      `SELECT id, name, image_ref, status FROM container ${where} ORDER BY created_ms DESC, id`,
    )
    .all(...(status === undefined ? [] : [status]));
}

/** `docker.io/library/debian:latest`, and what is said of it. Made to be shown as it is: of a thousand each copy takes its time. */
export type ToldName<Of = string> = { value: string; description: Of };

/** Every tag; all are told `description`. */
export function tagNames(db: Database, description: string): ToldName[] {
  return db
    .query<ToldName, [string]>("SELECT name AS value, ? AS description FROM tag ORDER BY name")
    .all(description);
}

/** Every tag, told by the bytes of its image. */
export function tagSizes(db: Database): ToldName<number>[] {
  return db
    .query<ToldName<number>, []>(
      "SELECT tag.name AS value, image.size_bytes AS description FROM tag JOIN image ON image.id = tag.image_id ORDER BY tag.name",
    )
    .all();
}

/** Ids of images that begin with `prefix`, hexadecimal digits; and one name of each, or "". */
export function imageIds(db: Database, prefix: string): { id: string; name: string }[] {
  return db
    .query<{ id: string; name: string }, [string, string]>(
      `SELECT id, coalesce((SELECT min(name) FROM tag WHERE image_id = image.id), '') AS name
       FROM image WHERE id >= ? AND id < ? ORDER BY id`,
    )
    .all(`sha256:${prefix}`, `sha256:${prefix}g`); // 'g' sorts behind every hexadecimal digit
}

/** By name. `users`: how many containers have it. */
export function volumeNames(db: Database): { name: string; driver: string; users: number }[] {
  return db
    .query<{ name: string; driver: string; users: number }, []>(
      `SELECT name, driver, (SELECT count(*) FROM container_volume WHERE volume_name = volume.name) AS users
       FROM volume ORDER BY name`,
    )
    .all();
}

export function secretNames(db: Database): string[] {
  return db
    .query<{ name: string }, []>("SELECT name FROM secret ORDER BY name")
    .all()
    .map(({ name }) => name);
}

export function manifestListNames(db: Database): string[] {
  return db
    .query<{ name: string }, []>("SELECT name FROM manifest_list ORDER BY name")
    .all()
    .map(({ name }) => name);
}

/** By name; `digest` of its manifest. */
export function artifactNames(db: Database): { name: string; digest: string }[] {
  return db
    .query<{ name: string; digest: string }, []>("SELECT name, digest FROM artifact ORDER BY name")
    .all();
}

/** Keys of the labels that anything of a sort has, and their values where there are at most `limit` of them. */
export function labelsInUse(
  db: Database,
  of: "container" | "image" | "network" | "volume" | "secret",
  limit: number,
): { key: string; value: string }[] {
  const from =
    of === "container"
      ? "container_spec AS t, json_each(t.spec, '$.Labels')"
      : `${of} AS t, json_each(t.labels)`;
  return db
    .query<{ key: string; value: string }, [number]>(
      `SELECT DISTINCT key, value FROM ${from} WHERE value IS NOT NULL ORDER BY key, value LIMIT ?`,
    )
    .all(limit);
}
