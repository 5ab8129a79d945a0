/**
 * What completion needs of the definitions, apart from them: a line for each command, and the shape of its arguments. It shows all commands, or looks for a
 * flag's kind, at each key press, and would load every definition for the one (20 ms), and for the other one with all that its command works with (up to 5 ms).
 * What stands in place of `src/cli/summaries.ts` in the executable.
 */
import type { Arg } from "../src/cli/tree";

/** All but what is read by people and by the reader of a value. */
function shapeOf(arg: Arg): object {
  const { type, value, alias, hiddenNames, optional, rest } = arg as Record<string, unknown>;
  return { type, value, alias, hiddenNames, optional, rest };
}

export async function summariesModule(): Promise<string> {
  const { loadCommands } = await import("../src/cli/catalogue");
  const descriptions: [string, string][] = [];
  const shapes: [string, string][] = [];
  for (const { entry, definition } of await loadCommands()) {
    const { args, interspersed, parsed, meta } = definition;
    const shaped = Object.fromEntries(Object.entries<Arg>(args).map(([name, arg]) => [name, shapeOf(arg)]));
    descriptions.push([entry.path, meta.description]);
    shapes.push([entry.path, JSON.stringify({ args: shaped, interspersed, parsed })]);
  }
  return `export const descriptions = new Map(${JSON.stringify(descriptions)});
export const shapes = new Map(${JSON.stringify(shapes)});`;
}
