/** The options of a process that `run`, `create` and `exec` share. */
import { readFileSync } from "node:fs";
import { EngineError } from "../../error";

/** The lines of the files, then the single ones. Throws `invalid`. */
export function environmentFrom(
  files: readonly string[],
  lines: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  return [...files.flatMap((path) => linesOf("env file", path)), ...lines].flatMap((line) =>
    envLine(line, env),
  );
}

/** `NAME=value`; a bare NAME takes the value of proa's environment, or nothing where that has none. */
function envLine(line: string, env: Readonly<Record<string, string | undefined>>): string[] {
  if (line === "" || line.startsWith("="))
    throw new EngineError("invalid", "environment variable", `"${line}"`, "it has no name");
  if (line.includes("=")) return [line];
  const value = env[line];
  if (value === undefined) return [];
  if (value.includes("\uFFFD"))
    throw new EngineError("invalid", "environment variable", line, "its value is not valid UTF-8");
  return [`${line}=${value}`];
}

/** Lines of a file that are neither empty nor comments. */
export function linesOf(what: string, path: string): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new EngineError("io", what, path, error);
  }
  const text = bytes.toString("utf8");
  if (Buffer.compare(Buffer.from(text), bytes) !== 0)
    throw new EngineError("invalid", what, path, "it is not valid UTF-8");
  return text
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** As it is given, "" for none. Throws `invalid` for a relative one. */
export function absoluteDirectory(path: string | undefined): string {
  if (path === undefined || path.startsWith("/")) return path ?? "";
  throw new EngineError("invalid", "working directory", path, "it must be an absolute path");
}
