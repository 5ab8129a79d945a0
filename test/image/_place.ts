/** A store of its own in a temporary directory, removed with everything in it. */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { callHelper } from "../../src/helper";
import { digestOf } from "../../src/oci";
import { type Context, createContext } from "../../src/state";

export type Place = AsyncDisposable & {
  readonly context: Context;
  readonly warnings: string[];
  /** A context of the same store with another driver, or the state of another process. */
  again(storageDriver?: string): Context;
  /** Throws where the store holds anything that it should not: half a blob, a temporary file, a layer without a row. */
  verify(): void;
};

export function makePlace(storageDriver?: string): Place {
  const root = mkdtempSync(join(tmpdir(), "proa-image-"));
  const env = {
    HOME: root,
    PATH: process.env["PATH"],
    XDG_DATA_HOME: join(root, "data"),
    XDG_CACHE_HOME: join(root, "cache"),
    XDG_CONFIG_HOME: join(root, "config"),
    XDG_RUNTIME_DIR: join(root, "run"),
  };
  mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
  const warnings: string[] = [];
  const again = (driver?: string): Context =>
    createContext({ env, storageDriver: driver, warn: (message) => warnings.push(message) });
  const context = again(storageDriver);
  return {
    context,
    warnings,
    again,
    verify: () => verifyStore(context),
    async [Symbol.asyncDispose]() {
      const { mappings } = context.host();
      await callHelper(context.paths.cache, "remove-tree", { paths: [root], mappings });
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function verifyStore({ paths, db }: Context): void {
  const blobs = join(paths.images, "blobs", "sha256");
  for (const name of list(blobs)) {
    const came = digestOf(readFileSync(join(blobs, name)));
    if (came !== `sha256:${name}`) throw new Error(`blob ${name} is ${came}`);
  }
  const left = list(join(paths.images, "ingest"));
  if (left.length > 0) throw new Error(`left in ingest: ${left}`);
  for (const kind of list(paths.layers)) {
    const rows = db()
      .query<{ chain_id: string }, [string]>("SELECT chain_id FROM layer WHERE kind = ? ORDER BY chain_id")
      .all(kind);
    const directories = list(join(paths.layers, kind));
    const expected = rows.map((row) => row.chain_id.replace("sha256:", ""));
    if (directories.sort().join() !== expected.sort().join()) {
      throw new Error(`layers/${kind} holds ${directories}, the rows say ${expected}`);
    }
  }
  const broken = db().query("PRAGMA foreign_key_check").all();
  if (broken.length > 0) throw new Error(`foreign keys: ${JSON.stringify(broken)}`);
}

function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Whether anything at all lies at the path. */
export function lies(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
