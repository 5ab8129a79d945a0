/** /etc/passwd and /etc/group with lines for users that the image does not know: the one that the container runs as, and users of the host. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import {
  type ContainerSpec,
  isolationOf,
  parseGroup,
  parsePasswd,
  parseUserNamespace,
  type ResolvedUser,
} from "../oci";
import type { Context } from "../state";
import { type RootSource, readRootFile } from "../storage";

/** The user with the home that its new line says, and the files to be bound over the image's: target to source. */
export type PasswdFiles = { user: ResolvedUser; files: Record<string, string> };

/** Write the files into the container's DIRECTORY. */
export async function passwdFiles(
  context: Context,
  source: RootSource,
  spec: ContainerSpec,
  user: ResolvedUser,
  directory: string,
): Promise<PasswdFiles> {
  const { Passwd, HostUsers } = isolationOf(spec.HostConfig);
  const passwd = await readRootFile(context, source, "/etc/passwd");
  const group = await readRootFile(context, source, "/etc/group");
  const lines = { passwd: [] as string[], group: [] as string[] };
  for (const name of HostUsers) addHostUser(name, passwd ?? "", group ?? "", lines);
  const added = Passwd ? addUser(spec, user, passwd ?? "", group ?? "", lines) : user;
  const files: Record<string, string> = {};
  for (const [name, text] of [
    ["passwd", passwd],
    ["group", group],
  ] as const) {
    if (lines[name].length === 0 || (text === null && HostUsers.length === 0)) continue; // an image without users has none afterwards
    const path = join(directory, name);
    rmSync(path, { force: true }); // the one of the start before may be the container root's
    writeFileSync(path, `${text ?? ""}${text && !text.endsWith("\n") ? "\n" : ""}${lines[name].join("")}`, {
      mode: 0o644,
    });
    files[`/etc/${name}`] = path;
  }
  return { user: added, files };
}

type Lines = { passwd: string[]; group: string[] };

function addUser(
  spec: ContainerSpec,
  user: ResolvedUser,
  passwd: string,
  group: string,
  lines: Lines,
): ResolvedUser {
  const { PasswdEntry, GroupEntry } = isolationOf(spec.HostConfig);
  const own = callerIn(spec, user);
  const users = parsePasswd(passwd + lines.passwd.join(""));
  const known = users.find(({ uid }) => uid === user.uid);
  const isFree = own !== null && !users.some(({ name }) => name === own.name);
  const name = known?.name ?? (isFree ? own.name : String(user.uid));
  const home = known?.home || homeOf(spec, own?.home);
  if (!known) {
    const values: Record<string, string> = {
      USERNAME: name,
      UID: String(user.uid),
      GID: String(user.gid),
      NAME: own?.gecos || "container user",
      HOME: home,
    };
    lines.passwd.push(`${filled(PasswdEntry || "$USERNAME:*:$UID:$GID:$NAME:$HOME:/bin/sh", values)}\n`);
  }
  if (!parseGroup(group + lines.group.join("")).some(({ gid }) => gid === user.gid)) {
    const isGroupFree = own?.group && !parseGroup(group).some((entry) => entry.name === own.group);
    const values = {
      GROUPNAME: isGroupFree ? own.group : String(user.gid),
      GID: String(user.gid),
      USERLIST: name,
    };
    lines.group.push(`${filled(GroupEntry || "$GROUPNAME:x:$GID:$USERLIST", values)}\n`);
  }
  return known ? user : { ...user, home };
}

function filled(template: string, values: Record<string, string>): string {
  return template.replace(/\$\{?([A-Z]+)\}?/g, (all, name: string) => values[name] ?? all);
}

/** The caller's home where it is bound into the container, else the working directory, as podman has it. */
function homeOf(spec: ContainerSpec, home: string | undefined): string {
  const targets = spec.HostConfig.Binds.map((bind) => bind.split(":")[1]);
  return home !== undefined && home !== "" && targets.includes(home) ? home : spec.WorkingDir || "/";
}

type HostUser = {
  name: string;
  uid: number;
  gid: number;
  gecos: string;
  home: string;
  shell: string;
  group: string;
};

/** The caller, where it is who the container runs as. */
function callerIn(spec: ContainerSpec, user: ResolvedUser): HostUser | null {
  const mode = parseUserNamespace(isolationOf(spec.HostConfig).UsernsMode);
  if (mode.kind !== "keep-id") return null;
  const uid = process.geteuid?.() ?? 0;
  return user.uid === (mode.uid ?? uid) ? hostUser(String(uid)) : null;
}

function hostUser(nameOrId: string): HostUser | null {
  const line = readOr("/etc/passwd")
    .split("\n")
    .map((text) => text.split(":"))
    .find(([name, , uid]) => name === nameOrId || uid === nameOrId);
  if (!line) return null;
  const [name = "", , uid = "", gid = "", gecos = "", home = "", shell = ""] = line;
  const group = parseGroup(readOr("/etc/group")).find((entry) => entry.gid === Number(gid))?.name ?? name;
  return { name, uid: Number(uid), gid: Number(gid), gecos, home, shell, group };
}

/** The two files with lines for users of the host. Throws `not-found`. */
export function withHostUsers(
  names: readonly string[],
  passwd: string,
  group: string,
): { passwd: string; group: string } {
  const lines: Lines = { passwd: [], group: [] };
  for (const name of names) addHostUser(name, passwd, group, lines);
  const ended = (text: string): string => (text === "" || text.endsWith("\n") ? text : `${text}\n`);
  return { passwd: ended(passwd) + lines.passwd.join(""), group: ended(group) + lines.group.join("") };
}

function addHostUser(nameOrId: string, passwd: string, group: string, lines: Lines): void {
  const found = hostUser(nameOrId);
  if (!found) throw new EngineError("not-found", "hostuser", nameOrId, "no such user on this host");
  const { name, uid, gid, gecos, home, shell } = found;
  if (!parsePasswd(passwd).some((entry) => entry.name === name || entry.uid === uid))
    lines.passwd.push(`${name}:*:${uid}:${gid}:${gecos}:${home}:${shell || "/bin/sh"}\n`);
  if (!parseGroup(group).some((entry) => entry.name === found.group || entry.gid === gid))
    lines.group.push(`${found.group}:x:${gid}:${name}\n`);
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
