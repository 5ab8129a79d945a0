/** The C helper inside this executable, made executable. */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import helper from "../../native/build/proa-helper" with { type: "file" };
import { EngineError } from "../error";
import { memfdCreate } from "./syscalls";

/** Helpers of other builds that nobody has extracted for so long are cleared away. */
const OLD_MS = 30 * 24 * 3600 * 1000;

let found: string | undefined;

/**
 * A path that execve accepts. The helper is written once into the cache directory, under a name that carries its hash, so that all
 * supervisors share its pages; where nothing may be executed there (noexec, full, read-only) it runs from memory.
 */
export function helperPath(cacheDir: string): string {
  const path = found ?? (helper.startsWith("/$bunfs/") ? extracted(cacheDir) : helper);
  found = path;
  return path;
}

function extracted(cacheDir: string): string {
  const path = join(cacheDir, basename(helper));
  if (isUsable(path)) return path;
  const bytes = readFileSync(helper);
  try {
    writeExecutable(path, bytes);
    clearOld(dirname(path), basename(path));
    if (isUsable(path, bytes.length)) return path;
  } catch {
    // the memory copy below needs no directory; its own failure is reported
  }
  return inMemory(bytes);
}

/** Executable here and ours alone to write. rename() made it whole; a power cut can still have emptied it, hence the size. */
function isUsable(path: string, size?: number): boolean {
  try {
    accessSync(path, constants.X_OK); // also false on a noexec mount
    const stat = statSync(path);
    const wanted = size ?? Bun.file(helper).size;
    return stat.uid === process.geteuid?.() && (stat.mode & 0o022) === 0 && stat.size === wanted;
  } catch {
    return false;
  }
}

function writeExecutable(path: string, bytes: Buffer): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  const fd = openSync(temporary, "wx", 0o700);
  try {
    writeAll(fd, bytes);
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}

/** Remove what earlier builds, and writers that were killed, have left. One that is in use somewhere runs on without its name. */
function clearOld(directory: string, current: string): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (name === current || !name.startsWith("proa-helper")) continue;
    if (Date.now() - statSync(path).mtimeMs > OLD_MS) unlinkSync(path);
  }
}

function inMemory(bytes: Buffer): string {
  try {
    const fd = memfdCreate("proa-helper");
    writeAll(fd, bytes);
    if (fstatSync(fd).size !== bytes.length) throw new Error("short write");
    return `/proc/self/fd/${fd}`;
  } catch (error) {
    throw new EngineError("helper", "start helper", "copy into memory", error, {
      hint: "let the cache directory (XDG_CACHE_HOME) be one that programs may be executed from",
    });
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}
