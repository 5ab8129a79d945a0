/** Rows of the container table. */
import type { Database } from "bun:sqlite";
import { EngineError } from "../error";

export type ContainerStatus = "created" | "running" | "exited";

/** A row, without the spec: what lists and life need. Times in milliseconds since the epoch, 0: never. */
export type ContainerRow = {
  id: string;
  name: string;
  image_id: string | null;
  image_ref: string;
  command: string;
  created_ms: number;
  status: ContainerStatus;
  started_ms: number;
  finished_ms: number;
  exit_code: number;
  error: string;
  auto_remove: 0 | 1;
  /** Its end was asked for: what `unless-stopped` looks at after a reboot. */
  user_stopped: 0 | 1;
  /** Of the run that has ended; that of one which lives is in its live state. */
  restart_count: number;
  oom_killed: 0 | 1;
  /** What the health checks had found at its end: JSON, or "" where there were none. */
  health: string;
};

const COLUMNS = `id, name, image_id, image_ref, command, created_ms, status, started_ms, finished_ms, exit_code, error, auto_remove,
  user_stopped, restart_count, oom_killed, health`;

/** Record a container under its name, all or nothing. Throws `name-in-use`, naming the holder. */
export function insertContainer(db: Database, row: ContainerRow, spec: string): void {
  const insert = db.transaction(() => {
    const holder = db
      .query<{ id: string }, [string]>("SELECT id FROM container WHERE name = ?")
      .get(row.name);
    if (holder) throw nameInUse("create container", row.name, holder.id);
    db.query(
      `INSERT INTO container (${COLUMNS}) VALUES
       ($id, $name, $image_id, $image_ref, $command, $created_ms, $status, $started_ms, $finished_ms, $exit_code, $error, $auto_remove,
        $user_stopped, $restart_count, $oom_killed, $health)`,
    ).run(row);
    db.query("INSERT INTO container_spec (id, spec) VALUES (?, ?)").run(row.id, spec);
  });
  insert.immediate(); // lock for writing before the read: two processes must not both find the name free
}

/** Give a container another name. Throws `name-in-use`, naming the holder. Returns false where the container has been removed. */
export function renameContainer(db: Database, id: string, name: string): boolean {
  const rename = db.transaction(() => {
    const holder = db.query<{ id: string }, [string]>("SELECT id FROM container WHERE name = ?").get(name);
    if (holder) throw nameInUse("rename container", name, holder.id);
    return db.query("UPDATE container SET name = ? WHERE id = ?").run(name, id).changes === 1;
  });
  return rename.immediate();
}

function nameInUse(what: string, name: string, id: string): EngineError {
  return new EngineError("name-in-use", what, name, `the name is used by container ${id.slice(0, 12)}`, {
    hint: `remove it (proa rm ${name}) or choose another name`,
  });
}

/** Every row, newest first; with a status, those rows only. */
export function allContainers(db: Database, status?: ContainerStatus): ContainerRow[] {
  const order = "ORDER BY created_ms DESC, id";
  return status
    ? db
        .query<ContainerRow, [string]>(`SELECT ${COLUMNS} FROM container WHERE status = ? ${order}`)
        .all(status)
    : db.query<ContainerRow, []>(`SELECT ${COLUMNS} FROM container ${order}`).all();
}

export function containerByName(db: Database, name: string): ContainerRow | null {
  return db.query<ContainerRow, [string]>(`SELECT ${COLUMNS} FROM container WHERE name = ?`).get(name);
}

/** Rows whose id begins with `prefix` (hexadecimal, checked by the caller); two are enough to tell that it is ambiguous. */
export function containersByIdPrefix(db: Database, prefix: string): ContainerRow[] {
  return db
    .query<ContainerRow, [string, string]>(
      `SELECT ${COLUMNS} FROM container WHERE id >= ? AND id < ? LIMIT 2`,
    )
    .all(prefix, `${prefix}g`); // 'g' sorts behind every hexadecimal digit
}

/** The stored ContainerSpec, JSON. */
export function containerSpec(db: Database, id: string): string | null {
  return (
    db.query<{ spec: string }, [string]>("SELECT spec FROM container_spec WHERE id = ?").get(id)?.spec ?? null
  );
}

/** Exchange the stored ContainerSpec for a changed one, JSON. */
export function setContainerSpec(db: Database, id: string, spec: string): void {
  db.query("UPDATE container_spec SET spec = ? WHERE id = ?").run(spec, id);
}

/** Every stored ContainerSpec, JSON, by id. */
export function allContainerSpecs(db: Database): Map<string, string> {
  const rows = db.query<{ id: string; spec: string }, []>("SELECT id, spec FROM container_spec").all();
  return new Map(rows.map((row) => [row.id, row.spec]));
}

/** The containers that need others (`--requires`), with their specs, JSON: an index holds them. */
export function requiringContainers(db: Database): { id: string; name: string; spec: string }[] {
  return db
    .query<{ id: string; name: string; spec: string }, []>(
      `SELECT container.id AS id, name, spec FROM container_spec JOIN container USING (id)
       WHERE instr(spec, '"Requires":["') > 0`,
    )
    .all();
}

/** Returns false where the container has been removed. */
export function markRunning(db: Database, id: string, startedMs: number): boolean {
  const { changes } = db
    .query(
      `UPDATE container SET status = 'running', started_ms = ?, finished_ms = 0, exit_code = 0, error = '',
       user_stopped = 0, restart_count = 0, oom_killed = 0, health = '' WHERE id = ?`,
    )
    .run(startedMs, id);
  return changes === 1;
}

/** Note why a container that does not run could not be started. */
export function markStartFailed(db: Database, id: string, error: string): void {
  db.query("UPDATE container SET error = ? WHERE id = ? AND status <> 'running'").run(error, id);
}

export type Ended = {
  status: "created" | "exited";
  exitCode: number;
  finishedMs: number;
  startedMs: number;
  error: string;
  restartCount: number;
  oomKilled: 0 | 1;
  health: string;
};

/** Write down an end, unless another process has done so, or has started the container again. Returns whether it was written. */
export function markEnded(db: Database, row: ContainerRow, end: Ended): boolean {
  const { changes } = db
    .query(
      `UPDATE container SET status = ?, exit_code = ?, finished_ms = ?, started_ms = ?, error = ?,
       restart_count = ?, oom_killed = ?, health = ?
     WHERE id = ? AND status = 'running' AND started_ms = ?`,
    )

    .run(
      end.status,
      end.exitCode,
      end.finishedMs,
      end.startedMs,
      end.error,
      end.restartCount,
      end.oomKilled,
      end.health,
      row.id,
      row.started_ms,
    );
  return changes === 1;
}

/** Note that the end of a container is, or was, asked for. */
export function markUserStopped(db: Database, id: string): void {
  db.query("UPDATE container SET user_stopped = 1 WHERE id = ?").run(id);
}

/** Rows of `--rm` containers that were running when they were last seen. */
export function autoRemovedContainers(db: Database): ContainerRow[] {
  return db
    .query<ContainerRow, []>(`SELECT ${COLUMNS} FROM container WHERE status = 'running' AND auto_remove = 1`)
    .all();
}

/** All of them or none. */
export function deleteContainers(db: Database, ids: readonly string[]): void {
  const remove = db.query("DELETE FROM container WHERE id = ?");
  db.transaction(() => {
    for (const id of ids) remove.run(id);
  }).immediate();
}

export function deleteContainer(db: Database, id: string): void {
  db.query("DELETE FROM container WHERE id = ?").run(id);
}

/** Names of the containers made from this image. */
export function containersUsingImage(db: Database, imageId: string): ContainerRow[] {
  return db.query<ContainerRow, [string]>(`SELECT ${COLUMNS} FROM container WHERE image_id = ?`).all(imageId);
}
