/** What the build writes in here of the definitions (`.dev/summaries.ts`). Not built: nothing. */

/** The descriptions of commands that are not hidden, by path. */
export const descriptions: ReadonlyMap<string, string> = new Map();
