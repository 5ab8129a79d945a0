/** Entries of a directory as candidates: what they are is asked of the directory, and of themselves only while they are few. */
import type { Stats } from "node:fs";
import type { EntryType } from "../../helper";
import type { Candidate } from "./candidates";

export type Entry = { name: string; type: EntryType; stat(): Stats | null };

/** Kinds that can be wanted beside directories. */
export type Wanted = "all" | "programs" | "directories" | "devices" | "blocks";

/** More links and programs than this are not looked at: they are what they seem to be. */
const LOOKS = 200;

/** More candidates are no help to who is typing. */
const LIMIT = 2000;

/** Directories are open. `head`: what stands before the names. */
export function entryCandidates(entries: readonly Entry[], head: string, wanted: Wanted): Candidate[] {
  const isMany = entries.length > LOOKS;
  const found: Candidate[] = [];
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  for (const name of [...byName.keys()].sort().slice(0, LIMIT)) {
    const entry = byName.get(name) as Entry;
    if (isDirectory(entry, isMany)) found.push({ value: `${head}${name}/`, isOpen: true });
    else if (isWanted(entry, wanted, isMany)) found.push({ value: head + name });
  }
  return found;
}

function isDirectory({ type, stat }: Entry, isMany: boolean): boolean {
  if (type === "link") return !isMany && stat()?.isDirectory() === true;
  return type === "directory" || (type === "unknown" && stat()?.isDirectory() === true);
}

function isWanted(entry: Entry, wanted: Wanted, isMany: boolean): boolean {
  switch (wanted) {
    case "all":
      return entry.type !== "link" || isMany || entry.stat() !== null;
    case "programs":
      return isProgram(entry, isMany);
    case "directories":
      return false;
    case "devices":
    case "blocks": {
      const stat = entry.stat();
      return stat !== null && (stat.isBlockDevice() || (wanted === "devices" && stat.isCharacterDevice()));
    }
  }
}

export function isProgram({ type, stat }: Entry, isMany: boolean): boolean {
  if (isMany && (type === "file" || type === "link")) return true;
  if (type === "directory") return false;
  const seen = stat();
  return seen?.isFile() === true && (seen.mode & 0o111) !== 0;
}

/** Whether so many programs are looked at one by one. */
export function areMany(entries: readonly unknown[]): boolean {
  return entries.length > LOOKS;
}

/** Files whose names begin with a dot are hidden until the dot is typed. */
export function isShown(name: string, base: string): boolean {
  return name.startsWith(base) && (!name.startsWith(".") || base.startsWith("."));
}
