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

/** Ranges of `user` (by name or number) in the text of /etc/subuid or /etc/subgid, subuid(5). */
export function parseSubordinateIds(text: string, user: string, uid: number): Range[] {
  const ranges: Range[] = [];
  for (const line of text.split("\n")) {
    const [owner, start, size] = line.split(":");
    if (owner !== user && owner !== String(uid)) continue;
    const range = { start: Number(start), size: Number(size) };
    if (Number.isInteger(range.start) && Number.isInteger(range.size) && range.size > 0) ranges.push(range);
  }
  return ranges;
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
  const user = nameOf(uid);
  const uids = parseSubordinateIds(readOr("/etc/subuid", ""), user, uid);
  const gids = parseSubordinateIds(readOr("/etc/subgid", ""), user, uid);
  if (uid === 0) return asRoot(uids, gids);
  const why =
    uids.length === 0 || gids.length === 0
      ? `no subordinate ids for ${user} in ${uids.length === 0 ? "/etc/subuid" : "/etc/subgid"}`
      : haveMapPrograms()
        ? undefined
        : "newuidmap and newgidmap are not installed (package uidmap)";
  if (why === undefined) {
    return { mappings: { uid: mapOf(uid, uids), gid: mapOf(gid, gids) }, kind: "range", warning: undefined };
  }
  return {
    mappings: { uid: mapOf(uid, []), gid: mapOf(gid, []) },
    kind: "single",
    warning: `${why}: containers have only the id 0, and every file of an image belongs to it`,
  };
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

function asRoot(uids: Range[], gids: Range[]): HostMappings {
  const missing = uids.length === 0 ? "/etc/subuid" : gids.length === 0 ? "/etc/subgid" : undefined;
  if (missing) {
    throw new EngineError("unsupported", "map ids", "root", `no line for root in ${missing}`, {
      hint: `proa never runs a container as the host's root; add one: echo root:100000:65536 >> ${missing}`,
    });
  }
  return { mappings: { uid: rootMapOf(uids), gid: rootMapOf(gids) }, kind: "range", warning: undefined };
}
