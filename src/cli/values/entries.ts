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
  const values: string[] = [];
  for (const entry of entries) {
    if (isDirectory(entry, isMany)) values.push(`${head}${entry.name}/`);
    else if (isWanted(entry, wanted, isMany)) values.push(head + entry.name);
  }
  const found: Candidate[] = [];
  for (const value of values.sort().slice(0, LIMIT)) found.push({ value, isOpen: value.endsWith("/") });
  return found;
}

function isDirectory(entry: Entry, isMany: boolean): boolean {
  const { type } = entry;
  const isUnsure = type === "unknown" || (type === "link" && !isMany);
  return type === "directory" || (isUnsure && entry.stat()?.isDirectory() === true);
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

export function isProgram(entry: Entry, isMany: boolean): boolean {
  const { type } = entry;
  if (isMany && (type === "file" || type === "link")) return true;
  if (type === "directory") return false;
  const seen = entry.stat();
  return seen?.isFile() === true && (seen.mode & 0o111) !== 0;
}

/** Whether so many programs are looked at one by one. */
export function areMany(entries: readonly unknown[]): boolean {
  return entries.length > LOOKS;
}

/** Files whose names begin with a dot are hidden until the dot is typed. */
export function isShown(name: string, base: string): boolean {
  if (name.startsWith(".") && !base.startsWith(".")) return false;
  return base === "" || name.startsWith(base);
}
