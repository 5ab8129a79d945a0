import { existsSync, mkdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import type { Context } from "../state";
import { makeMappedDirectory } from "./_owner";
import type { RootLayers } from "./driver";

/** The directories below and above that both overlay drivers need. */

/** Lower directories, top first; an image without a layer has an empty one. */
export function lowerOf(source: RootLayers, containerDir: string): string[] {
  if (source.kind === "directory") return [resolveDirectory(source.path)];
  if (source.lower.length > 0) return source.lower;
  const empty = join(containerDir, "empty");
  mkdirSync(empty, { recursive: true, mode: 0o755 });
  return [empty];
}

export type Writable = { upper: string; work: string };

/** The upper and work directories. The root of what is mounted shows the upper directory's mode, so that is the lower's, or the one that is known. */
export function makeWritable(
  context: Context,
  containerDir: string,
  topLower: string,
  mode?: number,
): Writable {
  const upper = join(containerDir, "upper");
  const work = join(containerDir, "work");
  try {
    if (!existsSync(work)) makeMappedDirectory(context, work, 0o700);
    if (!existsSync(upper)) makeMappedDirectory(context, upper, mode ?? statSync(topLower).mode & 0o7777);
  } catch (error) {
    throw new EngineError("io", "prepare root file system", containerDir, error);
  }
  return { upper, work };
}

/** A directory that may serve as a root, its links resolved. Throws `not-found` or `invalid`. */
export function resolveDirectory(path: string): string {
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    throw new EngineError("not-found", "use root file system", path, error);
  }
  if (!statSync(real).isDirectory()) {
    throw new EngineError("invalid", "use root file system", path, "not a directory");
  }
  return real;
}

/** Whether CHILD lies in DIRECTORY's tree on the same file system: overlay refuses an upper directory inside a lower one. */
export function liesBeneath(directory: string, child: string): boolean {
  const real = realpathSync(child);
  const parent = directory.endsWith("/") ? directory : `${directory}/`;
  if (!real.startsWith(parent) && real !== directory) return false;
  return statSync(directory).dev === statSync(real).dev;
}

/**
 * Whether other file systems are mounted below DIRECTORY. Overlay refuses it as a lower layer then (in a user namespace they cannot be taken
 * off), and the helper has another way that needs the writable layer on a tmpfs.
 */
export function holdsMounts(directory: string): boolean {
  const below = directory.endsWith("/") ? directory : `${directory}/`;
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => mountPointOf(line).startsWith(below) && mountPointOf(line) !== directory);
}

/** Field 5 of mountinfo (proc_pid_mountinfo(5)), in which blanks are written in octal. */
function mountPointOf(line: string): string {
  const field = line.split(" ")[4] ?? "";
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
