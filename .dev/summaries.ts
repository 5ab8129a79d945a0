/**
 * A line for each command, apart from the definitions. Completion shows them all at a key press, and would load every definition for it (20 ms).
 * What stands in place of `src/cli/summaries.ts` in the executable.
 */
export async function summariesModule(): Promise<string> {
  const { loadCommands } = await import("../src/cli/catalogue");
  const descriptions = (await loadCommands()).map(({ entry, definition }) => [
    entry.path,
    definition.meta.description,
  ]);
  return `export const descriptions = new Map(${JSON.stringify(descriptions)});`;
}
