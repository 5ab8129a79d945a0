/**
 * Writes completions/, man/ and the reference in README.md from the command definitions; `--check` compares instead and fails when something differs.
 *
 *   generate.ts [--check]
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { withReference } from "./reference";

const root = resolve(import.meta.dir, "..");
const isCheck = process.argv.includes("--check");

const { manPages } = await import("../src/cli/man");
const { completionScript } = await import("../src/cli/completion-scripts");

const folders: Record<string, Map<string, string>> = {
  completions: new Map([
    ["proa.bash", completionScript("bash")],
    ["_proa", completionScript("zsh")],
    ["proa.fish", completionScript("fish")],
  ]),
  man: await manPages(),
};

let stale = 0;
for (const [folder, wanted] of Object.entries(folders)) {
  const path = join(root, folder);
  if (!isCheck) mkdirSync(path, { recursive: true });
  for (const [name, content] of wanted) {
    if (readOr(join(path, name)) === content) continue;
    if (isCheck) say(`${folder}/${name} is not what the command definitions make`);
    else writeFileSync(join(path, name), content);
  }
  for (const name of namesIn(path)) {
    if (wanted.has(name)) continue;
    if (isCheck) say(`${folder}/${name} belongs to no command`);
    else rmSync(join(path, name));
  }
}
const readme = join(root, "README.md");
const written = readFileSync(readme, "utf8");
const current = await withReference(written);
if (written !== current && isCheck) say("README.md: its commands are not those of the command definitions");
else if (written !== current) writeFileSync(readme, current);
if (stale > 0) console.error("run: npm run generate");
process.exit(stale > 0 ? 1 : 0);

function say(text: string): void {
  console.error(text);
  stale++;
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
