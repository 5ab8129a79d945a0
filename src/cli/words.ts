/** The texts that the build takes out of definitions, leaving their numbers (`.dev/words.ts`). Not built: there are none. */
export const words: readonly string[] = [];
