/**
 * Secrets: a row says what is known of one, a file of this user's alone holds what it says. The file is written before the row and removed
 * after it, so that a crash leaves a file that nobody names.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import type { Context } from "./context";
import { emit } from "./events";
import { makePrivateDirectory } from "./paths";

export type Secret = {
  id: string;
  name: string;
  createdMs: number;
  updatedMs: number;
  labels: Record<string, string>;
  options: Record<string, string>;
};

type Row = {
  id: string;
  name: string;
  created_ms: number;
  updated_ms: number;
  labels: string;
  options: string;
};

const COLUMNS = "id, name, created_ms, updated_ms, labels, options";

function secretOf(row: Row): Secret {
  return {
    id: row.id,
    name: row.name,
    createdMs: row.created_ms,
    updatedMs: row.updated_ms,
    labels: JSON.parse(row.labels),
    options: JSON.parse(row.options),
  };
}

function fileOf(context: Context, id: string): string {
  return join(context.paths.data, "secrets", id);
}

/**
 * Keep a secret. Throws `name-in-use`, unless `replace`: then the one before is gone, whose containers keep what they have.
 */
export function insertSecret(context: Context, secret: Secret, data: Uint8Array, replace: boolean): void {
  const db = context.db();
  makePrivateDirectory(join(context.paths.data, "secrets"), context.uid);
  writeFileSync(fileOf(context, secret.id), data, { mode: 0o600, flag: "wx" });
  let before: Row | null = null;
  const insert = db.transaction(() => {
    before = db.query<Row, [string]>(`SELECT ${COLUMNS} FROM secret WHERE name = ?`).get(secret.name);
    if (before && !replace)
      throw new EngineError("name-in-use", "create secret", secret.name, "secret name in use", {
        hint: `--replace makes a new one of it; to remove it: proa secret rm ${secret.name}`,
      });
    if (before) db.query("DELETE FROM secret WHERE id = ?").run(before.id);
    db.query(`INSERT INTO secret (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`).run(
      secret.id,
      secret.name,
      secret.createdMs,
      secret.updatedMs,
      JSON.stringify(secret.labels),
      JSON.stringify(secret.options),
    );
  });
  try {
    insert.immediate();
  } catch (error) {
    rmSync(fileOf(context, secret.id), { force: true });
    throw error;
  }
  const gone = before as Row | null;
  if (gone) {
    rmSync(fileOf(context, gone.id), { force: true });
    tell(context, "remove", gone);
  }
  tell(context, "create", secret);
}

function tell(context: Context, Action: string, { id, name }: Pick<Secret, "id" | "name">): void {
  emit(context, { Type: "secret", Action, ID: id, Attributes: { name } });
}

/** By name, or by the beginning of its id where that fits one. Throws `not-found`, `ambiguous`. */
export function findSecret(context: Context, what: string, reference: string): Secret {
  const db = context.db();
  const byName = db.query<Row, [string]>(`SELECT ${COLUMNS} FROM secret WHERE name = ?`).get(reference);
  if (byName) return secretOf(byName);
  const [first, second] = /^[0-9a-f]{1,25}$/.test(reference)
    ? db
        .query<Row, [string, string]>(`SELECT ${COLUMNS} FROM secret WHERE id >= ? AND id < ? LIMIT 2`)
        .all(reference, `${reference}g`) // 'g' sorts behind every hexadecimal digit
    : [];
  if (second)
    throw new EngineError("ambiguous", what, reference, "several secrets have ids that begin so", {
      exitCode: 1,
    });
  if (first) return secretOf(first);
  throw new EngineError("not-found", what, reference, "no such secret", {
    exitCode: 1,
    hint: "list them: proa secret ls",
  });
}

/** Every secret, by name. */
export function allSecrets(context: Context): Secret[] {
  return context.db().query<Row, []>(`SELECT ${COLUMNS} FROM secret ORDER BY name`).all().map(secretOf);
}

/** What a secret says. */
export function secretData(context: Context, secret: Pick<Secret, "id" | "name">): Uint8Array {
  try {
    return readFileSync(fileOf(context, secret.id));
  } catch (error) {
    throw new EngineError("io", "read secret", secret.name, error);
  }
}

export function deleteSecret(context: Context, secret: Pick<Secret, "id" | "name">): void {
  const { changes } = context.db().query("DELETE FROM secret WHERE id = ?").run(secret.id);
  rmSync(fileOf(context, secret.id), { force: true });
  if (changes === 1) tell(context, "remove", secret);
}
