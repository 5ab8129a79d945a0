/** What went wrong, for code to branch on; the text is for people. */
export type ErrorCode =
  | "usage" // the command line is wrong
  | "not-found" // no such container, image, file …
  | "name-in-use"
  | "ambiguous" // an id prefix that several objects share
  | "in-use" // the object is held by another
  | "not-running"
  | "already-running"
  | "invalid" // a value, document or stream that cannot be what it claims
  | "digest-mismatch"
  | "unsupported" // cannot be done here, with the reason
  | "registry" // the registry answered an error, or not at all
  | "unauthorized"
  | "helper" // the C helper failed; `facts` of the cause tell where
  | "io"
  | "interrupted"
  | "internal";

export type ErrorMore = { exitCode?: number; hint?: string | undefined };

const joined = (a: string, b: string): string => (a === "" || b === "" ? a + b : `${a}: ${b}`);

/** A failure the user can act on, worded `what: on: why`. Callers branch on `code`, never on the text. */
export class EngineError extends Error {
  override name: string;
  /** Process exit status, 1-255; 125 is the engine's own. */
  readonly exitCode: number;
  /** The next command to type, or thing to check. */
  readonly hint: string | undefined;

  constructor(
    readonly code: ErrorCode,
    readonly what: string,
    readonly on: string,
    why: unknown,
    more: ErrorMore = {},
  ) {
    super(joined(joined(what, on), reasonOf(why)), { cause: why });
    this.name = "EngineError"; // no initializer of a field: that is one more function at the first error
    this.exitCode = more.exitCode ?? 125;
    this.hint = more.hint;
  }
}

/** Plain words of a system call's error, as strerror has them. */
const errnoWords: Record<string, string> = {
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  EEXIST: "file exists",
  ENOSPC: "no space left on device",
  EDQUOT: "disk quota exceeded",
  EROFS: "read-only file system",
  EFBIG: "file too large",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
  EMFILE: "too many open files",
  ENOMEM: "cannot allocate memory",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  ETIMEDOUT: "connection timed out",
  EADDRINUSE: "the address is in use",
  EADDRNOTAVAIL: "this host has no such address",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "the network is unreachable",
  ENOTFOUND: "no such host",
  EINVAL: "invalid argument",
  ENOEXEC: "exec format error",
  EBUSY: "device or resource busy",
  ENOTEMPTY: "directory not empty",
  EUSERS: "too many users",
  ENOSYS: "function not implemented",
  EAGAIN: "resource temporarily unavailable",
  EPIPE: "broken pipe",
  EIO: "input/output error",
  E2BIG: "argument list too long",
  ETXTBSY: "text file busy",
};

/** SQLite's primary result codes; extended ones have them in front (SQLITE_IOERR_WRITE). */
const sqliteWords: Record<string, string> = {
  SQLITE_FULL: "no space left on device",
  SQLITE_NOTADB: "it is not a database, or it is damaged",
  SQLITE_CORRUPT: "it is damaged",
  SQLITE_READONLY: "it cannot be written",
  SQLITE_CANTOPEN: "it cannot be opened",
  SQLITE_BUSY: "another proa holds it for too long",
  SQLITE_LOCKED: "another proa holds it for too long",
  SQLITE_IOERR: "input/output error, or no space left on device",
};

/** The words for a symbolic errno; the symbol itself where there are none. */
export function wordsOfErrno(symbol: string): string {
  return errnoWords[symbol] ?? symbol;
}

/** The reason in an error of any kind, in words that fit behind `what: on: `. */
export function reasonOf(why: unknown): string {
  if (typeof why === "string") return why;
  if (why instanceof EngineError) return why.message;
  if (why instanceof Error) {
    const code = (why as NodeJS.ErrnoException).code;
    if (typeof code === "string" && code in errnoWords) return wordsOfErrno(code);
    const primary = /^SQLITE_[A-Z]+/.exec(String(code))?.[0] ?? "";
    if (primary in sqliteWords) return sqliteWords[primary] ?? why.message;
    return why.message;
  }
  return String(why);
}

/** What --log-level can ask to be told besides warnings. */
export type TraceLevel = "trace" | "debug" | "info";

/**
 * Who hears of the work as it is done: nobody, but where --log-level asks for it. It stands in this module because every part of the executable has it
 * loaded already.
 */
export const tracing: {
  hear?: (level: TraceLevel, text: string) => void;
  /** The command that this process carries out, as it was typed: "proa run". */
  command?: string;
  /** Whether errors are shown with their stacks. */
  isDebugged?: boolean;
} = {};

/** Something begins that takes time. The function that is returned tells how it ended; undefined where nobody listens. */
export function begun(level: TraceLevel, what: string): ((how: string) => void) | undefined {
  const { hear } = tracing;
  if (hear === undefined) return undefined;
  const startMs = performance.now();
  return (how) => hear(level, `${what}: ${how} (${(performance.now() - startMs).toFixed(1)} ms)`);
}

/** Is what was asked for not there? */
export function isNotFound(error: unknown): boolean {
  return error instanceof EngineError && error.code === "not-found";
}
