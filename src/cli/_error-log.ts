/**
 * The last failures, for `system report`: a line each in `errors.jsonl` of the cache directory, its owner's alone. What the user can mend by typing something
 * else is not among them.
 */
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError, type ErrorCode, reasonOf } from "../error";
import { resolvePaths } from "../state";
import { masked } from "./_masking";
import type { Env } from "./io";

export type Failure = {
  /** RFC 3339. */
  time: string;
  /** The command by its name; its arguments may hold secrets. */
  command: string;
  code: string;
  message: string;
  stack?: string;
};

const LIMIT_BYTES = 64 << 10;
const KEPT = 50;

const ordinary: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "usage",
  "not-found",
  "ambiguous",
  "name-in-use",
  "in-use",
  "not-running",
  "already-running",
  "interrupted",
]);

/** Write a failure down, where it is one of interest and there is a place for it. Never throws. */
export function remember(env: Env, error: unknown, command: string): void {
  if (error instanceof EngineError && (ordinary.has(error.code) || isOfCommand(error))) return;
  try {
    const directory = resolvePaths({ ...env }, process.geteuid?.() ?? 0).cache;
    if (!existsSync(directory)) return; // nothing has begun here yet
    const failure: Failure = {
      time: new Date().toISOString(),
      command,
      code: error instanceof EngineError ? error.code : "internal",
      message: masked(reasonOf(error)),
      ...(error instanceof Error && !(error instanceof EngineError)
        ? { stack: masked(error.stack ?? "") }
        : {}),
    };
    const path = join(directory, "errors.jsonl");
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LIMIT_BYTES) {
      const kept = readFailures(directory).slice(-KEPT);
      writeFileSync(path, kept.map((each) => `${JSON.stringify(each)}\n`).join(""), { mode: 0o600 });
    }
    appendFileSync(path, `${JSON.stringify(failure)}\n`, { mode: 0o600 });
  } catch {
    // a full disk, no rights: the failure itself has been told
  }
}

/** A program that cannot be executed, or is not there, is a container's own affair. */
function isOfCommand({ exitCode }: EngineError): boolean {
  return exitCode === 126 || exitCode === 127;
}

/** The failures that are written down in a cache directory, the oldest first. */
export function readFailures(cache: string): Failure[] {
  const path = join(cache, "errors.jsonl");
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return line === "" ? [] : [JSON.parse(line) as Failure];
      } catch {
        return []; // torn by a power cut
      }
    });
}
