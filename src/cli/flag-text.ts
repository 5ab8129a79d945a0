import type { Args, Flag, FlagArg, FlagIndex } from "./tree";

/*
 * The flags of a definition as text, of which only those are read that a command line has: the 170 of `run` as JSON take 0.3 ms. A line for each flag, its name,
 * a tab, its letter if it has one, and the flag as JSON, in which no tab and no line end can be. Behind an empty line those that are not shown, and the hidden
 * names: the name, a tab, `>` and the flag's own name.
 */

/** @param args flags without their texts; positionals are left out */
export function flagText(args: Args): string {
  let shown = "";
  let hidden = "";
  for (const [key, arg] of Object.entries(args)) {
    if (arg.type === "positional") continue;
    const line = `${key}\t${arg.alias ?? ""}${JSON.stringify(arg)}\n`;
    if (arg.hidden === true) hidden += line;
    else shown += line;
    for (const name of arg.hiddenNames ?? []) hidden += `${name}\t>${key}\n`;
  }
  return `\n${shown}\n${hidden}`;
}

/** The flags of a text that `flagText()` has written. */
export function flagsIn(text: string): FlagIndex {
  /** The flag of the line with a tab at this place. */
  const flagAt = (tab: number): Flag => {
    const key = text.slice(text.lastIndexOf("\n", tab) + 1, tab);
    const end = text.indexOf("\n", tab);
    return { key, arg: JSON.parse(text.slice(text.indexOf("{", tab), end)) as FlagArg };
  };
  const long = (name: string): Flag | undefined => {
    const at = text.indexOf(`\n${name}\t`);
    if (at < 0 || name === "" || name.includes("\n") || name.includes("\t")) return undefined;
    const tab = at + 1 + name.length;
    return text[tab + 1] === ">" ? long(text.slice(tab + 2, text.indexOf("\n", tab))) : flagAt(tab);
  };
  return {
    long,
    short: (letter) => {
      const tab = letter === "" ? -1 : text.indexOf(`\t${letter}{`);
      return tab < 0 ? undefined : flagAt(tab);
    },
    names: () => {
      const names: string[] = [];
      for (let at = 1; text[at] !== "\n"; at = text.indexOf("\n", at) + 1) {
        names.push(text.slice(at, text.indexOf("\t", at)));
      }
      return names;
    },
  };
}
