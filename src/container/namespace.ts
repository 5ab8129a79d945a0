/** Namespaces that are not a container's own: those of another container, those that somebody has made, and the host's. */
import { closeSync, existsSync, readFileSync, statSync } from "node:fs";
import { EngineError } from "../error";
import type { IdMapping, Mappings } from "../helper";
import {
  type ContainerSpec,
  isolationOf,
  type JoinedNamespaces,
  type NamespaceKind,
  type NetworkNamespace,
  parseNamespace,
  parseUserNamespace,
} from "../oci";
import type { Context } from "../state";
import { openAlive } from "./alive";
import { findContainer } from "./find";
import { specOf } from "./spec";

const FILES = { pid: "pid", ipc: "ipc", uts: "uts", user: "user", net: "net", cgroup: "cgroup" } as const;

/** In docker's errors. */
const NAMES = { pid: "PID", ipc: "IPC", uts: "UTS", user: "user", net: "network", cgroup: "cgroup" } as const;

/** `--network ns:PATH`. @throws `not-found`, `invalid` */
export function namespaceAt(path: string, uid: number): NetworkNamespace {
  if (!isForeign(path, "net")) return { kind: "host" };
  // Who is root out here has the rights already. Others have them in the user namespace that owns it, if it is theirs: the helper finds that out.
  return { kind: "joined", path, user: uid === 0 ? null : path };
}

/** Whether a namespace is there and not our own. @throws `not-found`, `invalid` */
function isForeign(path: string, kind: keyof typeof FILES): boolean {
  const own = statSync(`/proc/self/ns/${FILES[kind]}`);
  const at = statOf(path, kind);
  if (at.dev !== own.dev)
    throw new EngineError("invalid", `join ${NAMES[kind]} namespace`, path, "it is no namespace");
  return at.ino !== own.ino;
}

function statOf(path: string, kind: keyof typeof FILES) {
  try {
    return statSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new EngineError(
      code === "ENOENT" ? "not-found" : "io",
      `join ${NAMES[kind]} namespace`,
      path,
      error,
    );
  }
}

/** A running container whose namespaces are shared. */
type Donor = { name: string; pid: number };

async function donorOf(context: Context, reference: string, kind: keyof typeof FILES): Promise<Donor> {
  const what = `join ${NAMES[kind]} namespace of container`;
  const row = await findContainer(context, what, reference);
  const alive = openAlive(context, row);
  if (!alive) {
    throw new EngineError("not-running", what, row.name, `container ${row.id.slice(0, 12)} is not running`, {
      hint: `start it first: proa start ${row.name}`,
    });
  }
  closeSync(alive.pidfd);
  if (kind === "ipc") {
    const { IpcMode } = isolationOf(specOf(context, row).HostConfig);
    if (IpcMode === "private" || IpcMode === "none")
      throw new EngineError("invalid", what, row.name, "non-shareable IPC", {
        hint: "use --ipc shareable for the container that is joined",
      });
  }
  return { name: row.name, pid: alive.pid };
}

/**
 * The path of a namespace of a running container. It counts while the container lives, which the caller sees to.
 *
 * @throws `not-found`, `not-running`
 */
export async function namespacePath(
  context: Context,
  reference: string,
  kind: keyof typeof FILES,
): Promise<string> {
  return pathOf((await donorOf(context, reference, kind)).pid, kind);
}

function pathOf(pid: number, kind: keyof typeof FILES): string {
  return `/proc/${pid}/ns/${FILES[kind]}`;
}

/** What a container shares, and the id map that follows from it: null where the user namespace is its own. */
export type Shared = { joined: JoinedNamespaces | undefined; mappings: Mappings | null };

/** Decide it for a start. Throws `not-found`, `not-running`, `invalid`, `unsupported`. */
export async function sharedNamespaces(
  context: Context,
  spec: ContainerSpec,
  network: NetworkNamespace,
): Promise<Shared> {
  const host = isolationOf(spec.HostConfig);
  const modes: Record<NamespaceKind, string> = {
    pid: host.PidMode,
    ipc: host.IpcMode,
    uts: host.UTSMode,
    cgroup: host.CgroupnsMode,
  };
  const owners = new Owners(context.uid);
  if (network.kind === "joined" && network.user !== null) owners.add(network.user, "the network");
  const others: JoinedNamespaces["others"] = {};
  let shm: JoinedNamespaces["shm"] = "own";
  for (const [name, text] of Object.entries(modes)) {
    const kind = name as NamespaceKind;
    const mode = parseNamespace(kind, text);
    if (mode.kind === "host") others[kind] = "host";
    if (mode.kind === "none") shm = null;
    if (mode.kind === "ns") {
      if (isForeign(mode.path, kind)) {
        others[kind] = { path: mode.path };
        owners.add(mode.path, mode.path);
      } else others[kind] = "host";
    }
    if (mode.kind === "container") {
      const donor = await donorOf(context, mode.reference, kind);
      const path = pathOf(donor.pid, kind);
      others[kind] = isForeign(path, kind) ? { path } : "host";
      if (others[kind] !== "host") owners.add(pathOf(donor.pid, "user"), donor.name);
      if (kind === "ipc" && others.ipc !== "host") shm = `/proc/${donor.pid}/root/dev/shm`;
    }
  }
  if (others.ipc === "host") shm = existsSync("/dev/shm") ? "/dev/shm" : "own";
  await addUserNamespace(context, host.UsernsMode, owners);
  const user = owners.path;
  const hasOwnMap =
    host.IdMapLines.uid.length + host.IdMapLines.gid.length > 0 ||
    /^(keep-id|auto|nomap)/.test(host.UsernsMode);
  if (user !== null && hasOwnMap)
    throw new EngineError(
      "invalid",
      "--userns",
      host.UsernsMode || "with id maps",
      `the namespaces of ${owners.who} belong to its user namespace, which has to be joined as well`,
      {
        hint: "leave --userns and the id maps out",
      },
    );
  const mqueue = existsSync("/dev/mqueue") ? "/dev/mqueue" : null;
  return { joined: { user, others, shm, mqueue }, mappings: user === null ? null : mappingsIn(user) };
}

async function addUserNamespace(context: Context, text: string, owners: Owners): Promise<void> {
  const mode = parseUserNamespace(text);
  if (mode.kind === "container") {
    const { pid, name } = await donorOf(context, mode.reference, "user");
    owners.add(pathOf(pid, "user"), name);
  }
  if (mode.kind === "ns") {
    if (!isForeign(mode.path, "user")) return; // the host's: as without it
    owners.add(mode.path, mode.path);
  }
}

/** The user namespaces that own what is joined: they have to be one and the same, as a process is in one only. */
class Owners {
  path: string | null = null;
  who = "";
  #ino: number | undefined;

  constructor(readonly uid: number) {}

  add(path: string, who: string): void {
    const isUser = path.endsWith("/ns/user");
    const ino = isUser ? statOf(path, "user").ino : undefined; // the owner of another namespace is found by the helper
    if (this.path === null) {
      if (this.uid === 0 && !isUser) return; // root has the rights already
      this.path = path;
      this.who = who;
      this.#ino = ino;
      return;
    }
    if (ino !== undefined && this.#ino !== undefined && ino !== this.#ino)
      throw new EngineError(
        "unsupported",
        "join namespaces",
        `of ${this.who} and ${who}`,
        "they have different user namespaces",
        {
          hint: `start one of them with --userns container:NAME of the other`,
        },
      );
    if (this.#ino === undefined && ino !== undefined) {
      this.path = path;
      this.#ino = ino;
    }
  }
}

/** The id map of the user namespace at PATH, in the host's ids; null where it is not told: then it is taken for the usual one. */
function mappingsIn(path: string): Mappings | null {
  const pid = /^\/proc\/(\d+)\/ns\/user$/.exec(path)?.[1] ?? processIn(path);
  if (pid === null) return null;
  return { uid: mapOf(`/proc/${pid}/uid_map`), gid: mapOf(`/proc/${pid}/gid_map`) };
}

/** user_namespaces(7): numbers inside, outside as seen by who reads, and how many. */
function mapOf(path: string): IdMapping[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [containerID = 0, hostID = 0, size = 0] = line.trim().split(/\s+/).map(Number);
      return { containerID, hostID, size };
    });
}

/** A process in the user namespace at PATH, for who was given a file in place of a process's link. */
function processIn(path: string): string | null {
  const { readdirSync } = require("node:fs") as typeof import("node:fs");
  const { ino } = statOf(path, "user");
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      if (statSync(`/proc/${pid}/ns/user`).ino === ino) return pid;
    } catch {
      // gone, or somebody else's
    }
  }
  return null;
}

/** The spec with ids in place of the names of other containers, which may change, and with the host name that it shares. Throws `not-found`. See `sharing.ts`. */
export async function withOwnerIds(context: Context, spec: ContainerSpec): Promise<ContainerSpec> {
  const host = isolationOf(spec.HostConfig);
  const HostConfig = { ...spec.HostConfig };
  let { Hostname, Domainname } = spec;
  for (const [field, kind] of [
    ["PidMode", "pid"],
    ["IpcMode", "ipc"],
    ["UTSMode", "uts"],
    ["CgroupnsMode", "cgroup"],
    ["UsernsMode", "user"],
  ] as const) {
    const reference = /^container:(.+)$/.exec(host[field])?.[1];
    if (reference === undefined) continue;
    const row = await findContainer(context, `join ${NAMES[kind]} namespace of container`, reference);
    HostConfig[field] = `container:${row.id}`;
    if (kind === "uts") ({ Hostname, Domainname } = specOf(context, row));
  }
  return { ...spec, Hostname, Domainname, HostConfig };
}
