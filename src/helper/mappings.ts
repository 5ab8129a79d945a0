/** The id maps that the host allows this user. */
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { EngineError } from "../error";
import type { IdMapping, Mappings } from "./protocol";

export type HostMappings = {
  mappings: Mappings;
  /** "single" where only the user's own id can be mapped: every file then belongs to root inside. */
  kind: "range" | "single";
  /** Plain words for the user when the range is missing. */
  warning: string | undefined;
};

type Range = { start: number; size: number };

const lastId = 0xffff_fffe; // the one above it means "no id"
const linesLimit = 339; // of an id map (user_namespaces(7)), with one for the user's own id

/**
 * Ranges of `user` (by name or number) in the text of /etc/subuid or /etc/subgid, subuid(5). Lines that are none are passed over, and so are
 * ranges that overlap one before them: the kernel refuses a map with those.
 */
export function parseSubordinateIds(text: string, user: string, uid: number): Range[] {
  const ranges: Range[] = [];
  for (const line of text.split("\n")) {
    const [owner, start = "", size = ""] = line.split(":");
    if (owner !== user && owner !== String(uid)) continue;
    if (!/^\d+$/.test(start) || !/^\d+$/.test(size)) continue;
    const range = { start: Number(start), size: Number(size) };
    if (range.size === 0 || range.start + range.size - 1 > lastId) continue;
    const isTaken = ranges.some(
      (other) => range.start < other.start + other.size && other.start < range.start + range.size,
    );
    if (!isTaken && ranges.length < linesLimit) ranges.push(range);
  }
  return ranges;
}

/** Where a new range may begin: above every range in the file, whoever has it. */
function firstFree(text: string): number {
  const ends = text.split("\n").map((line) => {
    const [, start, size] = line.split(":");
    return Number(start) + Number(size);
  });
  return Math.max(100_000, ...ends.filter((end) => Number.isSafeInteger(end)));
}

/** 0 inside is the user, 1 and up are the subordinate ids, in the order of the file. */
function mapOf(own: number, ranges: Range[]): IdMapping[] {
  const map: IdMapping[] = [{ containerID: 0, hostID: own, size: 1 }];
  let next = 1;
  for (const { start, size } of ranges) {
    map.push({ containerID: next, hostID: start, size });
    next += size;
  }
  return map;
}

function rootMapOf(ranges: Range[]): IdMapping[] {
  let next = 0;
  return ranges.map(({ start, size }) => {
    const line = { containerID: next, hostID: start, size };
    next += size;
    return line;
  });
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}

function haveMapPrograms(): boolean {
  const have = (name: string) => existsSync(`/usr/bin/${name}`) || Bun.which(name) !== null;
  return have("newuidmap") && have("newgidmap");
}

/**
 * The maps of the calling user. Started as root, the container's ids are all root's subordinate ones, so that nothing in it is the host's
 * root; without any, throws and names the line that is missing.
 */
export function hostMappings(): HostMappings {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  if (isUnshared()) return ofNamespace();
  const user = nameOf(uid);
  const [subuid, subgid] = [readOr("/etc/subuid", ""), readOr("/etc/subgid", "")];
  const uids = parseSubordinateIds(subuid, user, uid);
  const gids = parseSubordinateIds(subgid, user, uid);
  if (uid === 0) return asRoot(uids, gids, { "/etc/subuid": subuid, "/etc/subgid": subgid });
  const why =
    uids.length === 0 || gids.length === 0
      ? `no subordinate ids for ${user} in ${uids.length === 0 ? "/etc/subuid" : "/etc/subgid"}`
      : haveMapPrograms()
        ? undefined
        : "newuidmap and newgidmap are not installed (package uidmap)";
  if (why === undefined) {
    return { mappings: { uid: mapOf(uid, uids), gid: mapOf(gid, gids) }, kind: "range", warning: undefined };
  }
  const start = firstFree(`${subuid}\n${subgid}`);
  const range = `${start}-${start + 65_535}`;
  const cure = haveMapPrograms()
    ? `; an administrator gives more: usermod --add-subuids ${range} --add-subgids ${range} ${user}`
    : "";
  return {
    mappings: { uid: mapOf(uid, []), gid: mapOf(gid, []) },
    kind: "single",
    warning: `${why}: containers have only the id 0, and every file of an image belongs to it${cure}`,
  };
}

/** Set by `proa unshare` for what it runs: the ids of this namespace are those of containers. */
export const UNSHARED = "PROA_UNSHARED";

/** Whether this process is in the user namespace of `proa unshare`. */
export function isUnshared(): boolean {
  if (process.env[UNSHARED] === undefined || process.geteuid?.() !== 0) return false;
  return !/^\s*0\s+0\s+4294967295\s*$/.test(readOr("/proc/self/uid_map", "0 0 4294967295"));
}

/** Each id is mapped to itself: a container's namespace within this one has the same ids as one beside it. */
function ofNamespace(): HostMappings {
  const own = (path: string): IdMapping[] =>
    readOr(path, "")
      .split("\n")
      .flatMap((line) => {
        const [first, , size] = line.trim().split(/\s+/).map(Number);
        return first === undefined || size === undefined ? [] : [{ containerID: first, hostID: first, size }];
      });
  const mappings = { uid: own("/proc/self/uid_map"), gid: own("/proc/self/gid_map") };
  const count = mappings.uid.reduce((sum, { size }) => sum + size, 0);
  return { mappings, kind: count > 1 ? "range" : "single", warning: undefined };
}

function nameOf(uid: number): string {
  // By the number, not by Bun's userInfo(), which believes $USER.
  const line = readOr("/etc/passwd", "")
    .split("\n")
    .find((entry) => entry.split(":")[2] === String(uid));
  if (line !== undefined) return line.slice(0, line.indexOf(":"));
  try {
    return userInfo().username;
  } catch {
    return String(uid); // no line in /etc/passwd
  }
}

function asRoot(
  uids: Range[],
  gids: Range[],
  files: Record<"/etc/subuid" | "/etc/subgid", string>,
): HostMappings {
  const missing = uids.length === 0 ? "/etc/subuid" : gids.length === 0 ? "/etc/subgid" : undefined;
  if (missing) {
    const start = firstFree(Object.values(files).join("\n"));
    throw new EngineError("unsupported", "map ids", "root", `no line for root in ${missing}`, {
      hint: `proa never runs a container as the host's root; add one: echo root:${start}:65536 >> ${missing}`,
    });
  }
  return { mappings: { uid: rootMapOf(uids), gid: rootMapOf(gids) }, kind: "range", warning: undefined };
}
