/** Users and groups of an image, passwd(5) and group(5). The text is hostile: bad lines are passed over. */
import { EngineError } from "../error";

export type PasswdEntry = { name: string; uid: number; gid: number; home: string };
export type GroupEntry = { name: string; gid: number; members: string[] };

/** Ids as the kernel has them: 32 bits, the highest being "no id". */
const HIGHEST_ID = 0xff_ff_ff_fe;

function idOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= HIGHEST_ID ? id : undefined;
}

export function parsePasswd(text: string): PasswdEntry[] {
  return text.split("\n").flatMap((line) => {
    const [name, , uidText, gidText, , home] = line.split(":");
    const uid = idOf(uidText);
    const gid = idOf(gidText);
    return name && uid !== undefined && gid !== undefined ? [{ name, uid, gid, home: home ?? "" }] : [];
  });
}

export function parseGroup(text: string): GroupEntry[] {
  return text.split("\n").flatMap((line) => {
    const [name, , gidText, members] = line.split(":");
    const gid = idOf(gidText);
    return name && gid !== undefined
      ? [{ name, gid, members: (members ?? "").split(",").filter(Boolean) }]
      : [];
  });
}

/** podman's `--group-add keep-groups`: no group of the image's. */
export const KEEP_GROUPS = "keep-groups";

export type ResolvedUser = { uid: number; gid: number; additionalGids: number[]; home: string };

/**
 * What `USER` means in a root file system: `""`, `user`, `user:group`, names or numbers. A number need not be in passwd and then has the group 0; a name must be.
 * Supplementary groups are those that list the user, unless a group is given; `groupAdd` comes on top.
 */
export function resolveUser(
  user: string,
  passwdText: string,
  groupText: string,
  groupAdd: string[],
): ResolvedUser {
  const passwd = parsePasswd(passwdText);
  const groups = parseGroup(groupText);
  const [userPart = "", groupPart] = user.split(":", 2);
  const entry = findUser(userPart === "" ? "0" : userPart, passwd, user);
  const gid = groupPart ? findGroup(groupPart, groups, user) : entry.gid;
  const listed = groupPart
    ? []
    : groups.filter((group) => group.members.includes(entry.name)).map((group) => group.gid);
  const added = groupAdd
    .filter((group) => group !== KEEP_GROUPS)
    .map((group) => findGroup(group, groups, group));
  const additionalGids = [...new Set([...listed, ...added])].filter((id) => id !== gid);
  return { uid: entry.uid, gid, additionalGids, home: entry.home || "/" };
}

function findUser(name: string, passwd: PasswdEntry[], asked: string): PasswdEntry {
  const byName = passwd.find((entry) => entry.name === name);
  if (byName) return byName;
  const uid = idOf(name);
  if (uid === undefined) {
    throw new EngineError("not-found", "find user", asked || name, "no such user in the image's /etc/passwd");
  }
  const fallbackHome = uid === 0 ? "/root" : "/";
  return passwd.find((entry) => entry.uid === uid) ?? { name: "", uid, gid: 0, home: fallbackHome };
}

function findGroup(name: string, groups: GroupEntry[], asked: string): number {
  const byName = groups.find((group) => group.name === name);
  if (byName) return byName.gid;
  const gid = idOf(name);
  if (gid === undefined) {
    throw new EngineError("not-found", "find group", asked, "no such group in the image's /etc/group");
  }
  return gid;
}
