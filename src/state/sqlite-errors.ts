/** SQLite's errors in words for people. */

const words: Record<string, string> = {
  SQLITE_FULL: "no space left on device",
  SQLITE_NOTADB: "it is not a database, or it is damaged",
  SQLITE_CORRUPT: "it is damaged",
  SQLITE_READONLY: "it cannot be written",
  SQLITE_CANTOPEN: "it cannot be opened",
  SQLITE_PERM: "permission denied",
  SQLITE_AUTH: "permission denied",
  SQLITE_BUSY: "another proa holds it for too long",
  SQLITE_LOCKED: "another proa holds it for too long",
  SQLITE_IOERR: "input/output error, or no space left on device",
};

/** What went wrong, for an error of `bun:sqlite`; undefined for every other error. */
export function stateErrorWords(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  if (!(error instanceof Error) || typeof code !== "string" || !code.startsWith("SQLITE_")) return undefined;
  // extended codes have the primary one in front: SQLITE_IOERR_WRITE
  const primary = Object.keys(words).find((each) => code === each || code.startsWith(`${each}_`));
  return primary === undefined ? `${error.message} (${code})` : words[primary];
}

/** Whether what is in the file can no longer be read. */
export function isDamaged(error: unknown): boolean {
  const code = String((error as { code?: unknown } | null)?.code ?? "");
  return code.startsWith("SQLITE_NOTADB") || code.startsWith("SQLITE_CORRUPT");
}
