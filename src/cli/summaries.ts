/** What the build writes in here of the definitions (`.dev/summaries.ts`). Not built: nothing. */

/** The descriptions of commands that are not hidden, by path. */
export const descriptions: ReadonlyMap<string, string> = new Map();

/** The shapes of their arguments, JSON, by path. */
export const shapes: ReadonlyMap<string, string> = new Map();
