/** What is said to a user once, and remembered. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Context, makePrivateDirectory } from "../state";

/** `key` names it in the state directory. Where that cannot be written it is said again. */
export function tellOnce(context: Context, key: string, message: () => string | null): void {
  const directory = join(context.paths.data, "told");
  const path = join(directory, key);
  if (existsSync(path)) return;
  const text = message();
  if (text === null) return;
  context.warn(text);
  try {
    makePrivateDirectory(directory, context.uid);
    writeFileSync(path, "");
  } catch {
    // a full disk, or one that is read-only
  }
}
