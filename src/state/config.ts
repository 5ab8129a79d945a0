/** The user's settings: `config.toml` in the directory of configuration. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";

export type Config = { storageDriver: string | undefined };

const keys = ["storage-driver"] as const;
const limitBytes = 1 << 20;

/**
 * Read the settings in DIRECTORY; all are unset where there is no file. What is not a setting is an error: a slip of the pen must not pass for the default.
 *
 * @throws EngineError `invalid`, `io`
 */
export function readConfig(directory: string): Config {
  const path = join(directory, "config.toml");
  const fail = (why: unknown, hint?: string) =>
    new EngineError("invalid", "read configuration", path, why, { hint });
  const text = readText(path);
  if (text === null) return { storageDriver: undefined };
  let settings: Record<string, unknown>;
  try {
    settings = Bun.TOML.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw fail(`it is not TOML: ${error instanceof Error ? error.message : error}`);
  }
  const unknown = Object.keys(settings).find((key) => !(keys as readonly string[]).includes(key));
  if (unknown !== undefined)
    throw fail(`unknown setting ${JSON.stringify(unknown)}`, `the settings are: ${keys.join(", ")}`);
  const driver = settings["storage-driver"];
  if (driver !== undefined && typeof driver !== "string")
    throw fail("storage-driver is not a text in quotes");
  return { storageDriver: driver };
}

function readText(path: string): string | null {
  try {
    if (statSync(path).size > limitBytes)
      throw new EngineError("invalid", "read configuration", path, `it is longer than ${limitBytes} bytes`);
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error instanceof EngineError ? error : new EngineError("io", "read configuration", path, error);
  }
}
