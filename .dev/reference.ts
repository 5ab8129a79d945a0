/** The part of README.md that is made of the command tree: every command by its noun, each with its page of the manual. */
import { loadCommands, nameBelow, usedNouns } from "../src/cli/catalogue";

const BEGIN = "<!-- commands: made by `npm run generate` -->";
const END = "<!-- end of commands -->";

/** README.md with that part as the tree is now. Throws where its marks are missing. */
export async function withReference(readme: string): Promise<string> {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`README.md: no ${BEGIN} … ${END}`);
  return `${readme.slice(0, begin + BEGIN.length)}\n\n${await reference()}\n${readme.slice(end)}`;
}

async function reference(): Promise<string> {
  const loaded = await loadCommands();
  const link = (shown: string, name: string): string => `[${shown}](man/proa-${name.replaceAll(" ", "-")}.1)`;
  const rows = usedNouns().map(({ name: noun }) => {
    const below = loaded
      .flatMap(({ entry, name }) => {
        const shown = nameBelow(noun, entry);
        return shown === undefined ? [] : [[shown, name] as const];
      })
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return `| ${link(noun, noun)} | ${below.map(([shown, name]) => link(shown, name)).join(" ")} |`;
  });
  const alone = loaded
    .filter(({ entry }) => !entry.path.includes(" "))
    .map(({ name }) => link(name, name))
    .sort();
  return ["| `proa …` | |", "|---|---|", ...rows, `| | ${alone.join(" ")} |`, ""].join("\n");
}
