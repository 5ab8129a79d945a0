/** The ids that a user may give to containers, and the programs that map them. */
import { parseSubordinateIds } from "../../helper";
import { parsePasswd } from "../../oci";
import type { HostFacts, MapProgram } from "./facts";
import { fail, ok, type Verdict, warn } from "./finding";

const USUAL = 65_536;
const SINGLE_ID =
  "containers have only the id 0: every file of an image belongs to it, and programs that change their user fail";

type Range = { start: number; size: number };

/** Ranges of the user in both files: whether there are any, and nobody else has them. */
export function checkIdRanges(facts: HostFacts): Verdict {
  const files = { "/etc/subuid": facts.subuid, "/etc/subgid": facts.subgid };
  const mend = (option: string) => {
    const start = firstFree(`${facts.subuid}\n${facts.subgid}`);
    return `sudo usermod ${option.replaceAll("RANGE", `${start}-${start + USUAL - 1}`)} ${facts.user}`;
  };
  const add = "--add-subuids RANGE --add-subgids RANGE";
  const counts: number[] = [];
  for (const [path, text] of Object.entries(files)) {
    const ranges = parseSubordinateIds(text, facts.user, facts.uid);
    const count = ranges.reduce((sum, { size }) => sum + size, 0);
    if (count === 0) {
      const found = `${path} has no line for ${facts.user}`;
      return facts.uid === 0
        ? fail(found, "no container starts", `echo root:${firstFree(text)}:${USUAL} >> ${path}`)
        : warn(found, SINGLE_ID, mend(add));
    }
    counts.push(count);
  }
  for (const [path, text] of Object.entries(files)) {
    const other = overlapIn(text, facts, path === "/etc/subuid");
    if (other !== null) {
      return warn(
        `${path}: ${other}`,
        "what runs as that id can signal your containers' processes, and read and change their files",
        `give yourself a range of your own in ${path}, then run \`proa system check\``,
      );
    }
  }
  const [uids = 0, gids = 0] = counts;
  if (Math.min(uids, gids) < USUAL) {
    return warn(
      `${uids} user ids and ${gids} group ids`,
      `images with files of higher ids cannot be unpacked; ${USUAL} are usual`,
      mend(add),
    );
  }
  return ok(`${uids} user ids and ${gids} group ids besides your own`);
}

/** Who else has ids of this user's ranges, in words. */
function overlapIn(text: string, { user, uid, passwd }: HostFacts, isUsers: boolean): string | null {
  const own = parseSubordinateIds(text, user, uid);
  for (const line of text.split("\n")) {
    const [owner = "", start = "", size = ""] = line.split(":");
    if (owner === user || owner === String(uid) || !/^\d+$/.test(start) || !/^\d+$/.test(size)) continue;
    const other = { start: Number(start), size: Number(size) };
    const met = own.find((range) => overlaps(range, other));
    if (met) return `${rangeText(met)} is partly ${owner}'s, who has ${rangeText(other)}`;
  }
  if (!isUsers) return null;
  const held = parsePasswd(passwd).find(({ uid: id }) =>
    own.some((range) => overlaps(range, { start: id, size: 1 })),
  );
  return held ? `the user ${held.name} has the id ${held.uid}, which is in your range` : null;
}

function overlaps(a: Range, b: Range): boolean {
  return a.start < b.start + b.size && b.start < a.start + a.size;
}

function rangeText({ start, size }: Range): string {
  return `${start}-${start + size - 1}`;
}

/** Above every range in the files, whoever has it. */
function firstFree(text: string): number {
  const ends = text.split("\n").map((line) => {
    const [, start, size] = line.split(":");
    return Number(start) + Number(size);
  });
  return Math.max(100_000, ...ends.filter((end) => Number.isSafeInteger(end)));
}

export function checkMapPrograms({ mapPrograms, uid }: HostFacts): Verdict {
  if (uid === 0) return ok("root maps ids by itself");
  const missing = mapPrograms.filter(({ path }) => path === null).map(({ name }) => name);
  if (missing.length > 0)
    return warn(`${listed(missing)} not installed`, SINGLE_ID, "sudo apt-get install uidmap");
  for (const program of mapPrograms) {
    const fault = faultOf(program);
    if (fault !== null)
      return fail(`${program.path} ${fault.why}`, "no container starts with more than one id", fault.mend);
  }
  const how = mapPrograms.every(({ hasSetId }) => hasSetId) ? "set-uid root" : "file capabilities";
  return ok(`newuidmap and newgidmap have their rights (${how})`);
}

function faultOf(program: MapProgram): { why: string; mend: string } | null {
  if (!program.hasSetId && !program.hasCapabilities) {
    return {
      why: "is neither set-uid root nor has it file capabilities",
      mend: "sudo apt-get install --reinstall uidmap",
    };
  }
  if (!program.isOnNosuid) return null;
  return {
    why: "lies on a file system that is mounted with nosuid",
    mend: `sudo mount -o remount,suid "$(findmnt -no TARGET -T ${program.path})"`,
  };
}

function listed(names: readonly string[]): string {
  return `${names.join(" and ")} ${names.length === 1 ? "is" : "are"}`;
}
