import type { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import type { App } from "../app";

/** The database, where there is one: a key press makes none. */
export function database(app: App): Database | null {
  return existsSync(app.context.paths.database) ? app.context.db() : null;
}
