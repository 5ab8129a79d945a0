/** The options of a process that `run`, `create` and `exec` share. */
import { closeSync, openSync, readSync } from "node:fs";
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
  if (line.endsWith("*")) {
    const names = Object.keys(env).filter((name) => name.startsWith(line.slice(0, -1)));
    return names.flatMap((name) => envLine(name, env));
  }
  const value = env[line];
  if (value === undefined) return [];
  if (value.includes("\uFFFD"))
    throw new EngineError("invalid", "environment variable", line, "its value is not valid UTF-8");
  return [`${line}=${value}`];
}

const FILE_MOST = 4 << 20; // bytes
const LINE_MOST = 64 << 10; // bytes, as docker's reader has it

/**
 * Lines of a file that are neither empty nor comments, from their first letter on: values are taken as they stand, with quotes and blanks, as
 * docker does. A file that does not end is not read to its end. Throws `invalid`, `io`.
 */
export function linesOf(what: string, path: string): string[] {
  const bytes = readSome(what, path);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); // without a mark of byte order
  } catch {
    throw new EngineError("invalid", what, path, "it is not valid UTF-8");
  }
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"));
  for (const line of lines) {
    const [name = ""] = line.split("=", 1);
    if (name === "")
      throw new EngineError("invalid", what, path, `no variable name on line "${line.slice(0, 80)}"`);
    if (/\s/.test(name))
      throw new EngineError("invalid", what, path, `variable "${name.slice(0, 80)}" contains whitespace`);
    if (line.includes("\0"))
      throw new EngineError("invalid", what, path, `the value of "${name}" has a NUL in it`);
  }
  return lines;
}

/** The whole of a file, which may be a pipe. */
function readSome(what: string, path: string): Uint8Array {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let line = 0; // bytes since the last line end
  try {
    const fd = openSync(path, "r");
    try {
      for (;;) {
        const chunk = new Uint8Array(LINE_MOST);
        const count = readSync(fd, chunk, 0, chunk.length, null);
        if (count === 0) break;
        chunks.push(chunk.subarray(0, count));
        size += count;
        const last = chunk.lastIndexOf(0x0a, count - 1);
        line = last < 0 ? line + count : count - last - 1;
        if (line > LINE_MOST) throw new EngineError("invalid", what, path, "a line is longer than 64 KiB");
        if (size > FILE_MOST) throw new EngineError("invalid", what, path, "it is larger than 4 MiB");
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError("io", what, path, error);
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** As it is given, "" for none, as for an empty one. Throws `invalid` for a relative one. */
export function absoluteDirectory(path = ""): string {
  if (path === "" || path.startsWith("/")) return path;
  throw new EngineError("invalid", "working directory", path, "it must be an absolute path");
}
