import { EngineError, reasonOf, tracing } from "../error";
import { BrokenPipe } from "./broken-pipe";
import type { Io } from "./io";

export type ReportMore = {
  /** The command as it can be typed: "proa run"; named behind usage errors. */
  typed?: string | undefined;
  /** Print the stack and all that is known of the cause. */
  debug?: boolean;
};

/**
 * Print an error to stderr and say what the process exits with: `Error: what: on: why`, a line `hint: …` where there is
 * one, and for a wrong command line where its help is. What is no `EngineError` is a bug of ours and is called so.
 *
 * @returns the exit status; 0 for a closed pipe downstream, which is no failure
 */
export function reportError(io: Io, error: unknown, more: ReportMore = {}): number {
  if (error instanceof BrokenPipe) return 0;
  const lines = linesOf(error, more);
  try {
    io.stderr.write(`${withoutControls(lines.join("\n"))}\n`);
  } catch (failure) {
    if (!(failure instanceof BrokenPipe)) return 125; // nowhere left to say it
  }
  if (!(error instanceof EngineError && error.code === "usage")) {
    (require("./_error-log") as typeof import("./_error-log")).remember(io.env, error, tracing.command ?? "");
  }
  return error instanceof EngineError ? error.exitCode : 125;
}

// Controls but line ends and tabs, which are ours, and the marks that turn the direction of writing.
const unprintable = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/** What a name or a stranger's words may hold must not reach the terminal as a command to it. */
function withoutControls(text: string): string {
  // most messages are ASCII that can be seen, and line ends: quicker said than by an expression that has to be compiled
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if ((code >= 0x20 || code === 0x0a) && code <= 0x7e) continue;
    return text.replace(unprintable, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
  }
  return text;
}

function linesOf(error: unknown, more: ReportMore): string[] {
  const lines: string[] = [];
  if (error instanceof EngineError) {
    lines.push(`Error: ${error.message}`);
    if (error.hint !== undefined) lines.push(`hint: ${error.hint}`);
    if (error.code === "usage" && more.typed !== undefined) lines.push(`See '${more.typed} --help'.`);
  } else if (isStateError(error)) {
    lines.push(`Error: state database: ${reasonOf(error)}`);
  } else if (isSystemError(error)) {
    lines.push(`Error: ${[error.syscall, error.path, reasonOf(error)].filter(Boolean).join(": ")}`);
  } else {
    lines.push(`Error: internal: ${reasonOf(error)}`);
    lines.push(
      "hint: this is a bug in proa: please report it, with the output of the same command under --debug and of proa system report",
    );
  }
  if (more.debug === true || tracing.isDebugged === true) lines.push(...debugLines(error));
  return lines;
}

/** The state database failed in the middle of a command: a full disk, a damaged file. */
function isStateError(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_");
}

/** A system call that failed and that nobody has put into words. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}

/** The stack and own properties of an error and of each cause behind it. */
function debugLines(error: unknown): string[] {
  const lines: string[] = [];
  let each: unknown = error;
  for (let depth = 0; each !== undefined && each !== "" && depth < 8; depth++) {
    const label = depth === 0 ? "debug:" : "debug: caused by:";
    if (each instanceof Error) {
      lines.push(`${label} ${each.stack ?? String(each)}`);
      const facts = Object.entries(each).filter(([key]) => key !== "cause");
      if (facts.length > 0) lines.push(`debug: facts: ${JSON.stringify(Object.fromEntries(facts))}`);
      each = each.cause;
    } else {
      lines.push(`${label} ${typeof each === "string" ? each : JSON.stringify(each)}`);
      break;
    }
  }
  return lines;
}

/**
 * Do something to each of several targets: all of them, whatever fails, unless the user interrupts. `act` returns what is printed for a target that
 * went well (undefined: nothing); each failure is reported as it comes.
 *
 * @returns 0, or 1 when something failed: docker's status for several targets
 */
export async function forEachTarget<T>(
  io: Io,
  targets: readonly T[],
  act: (target: T) => Promise<string | undefined> | Promise<void> | string | undefined | void,
  more: ReportMore = {},
): Promise<number> {
  let failed = false;
  let broken: BrokenPipe | undefined;
  for (const target of targets) {
    let name: string | undefined;
    try {
      name = (await act(target)) ?? undefined;
    } catch (error) {
      if (error instanceof BrokenPipe) broken = error;
      else if (error instanceof EngineError && error.code === "interrupted") throw error;
      else {
        reportError(io, error, more);
        failed = true;
      }
    }
    if (name === undefined || broken !== undefined) continue;
    try {
      io.stdout.write(`${name}\n`);
    } catch (error) {
      // Nobody reads the names any more; the work is still to be done.
      if (!(error instanceof BrokenPipe)) throw error;
      broken = error;
    }
  }
  if (broken !== undefined && !failed) throw broken;
  return failed ? 1 : 0;
}
