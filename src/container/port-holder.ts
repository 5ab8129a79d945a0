/** Who holds a port of the host: a container of this user's, or a process, where /proc tells. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { parsePasswd } from "../oci";
import { type Context, containersByIdPrefix, isLocked } from "../state";
import { openPorts } from "./ports";

export type HeldPort = { protocol: "tcp" | "udp"; address: string; port: number };

/** Read `0.0.0.0:8080/tcp`, as the helper names a port it could not take; `*` and "" are every address. Returns null where it is none. */
export function parseHeldPort(text: string): HeldPort | null {
  const match = /^(.*):(\d{1,5})\/(tcp|udp)$/.exec(text);
  if (!match) return null;
  const address = (match[1] ?? "").replace(/^\[(.*)\]$/, "$1");
  return {
    protocol: match[3] as "tcp" | "udp",
    address: address === "*" ? "" : address,
    port: Number(match[2]),
  };
}

/**
 * In words: `container web`, `process 123 (nginx)`, or null where nobody has it. Of another user's process, which is his to see, only whose it is:
 * `a process of root`.
 */
export function portHolder(context: Context, held: HeldPort): string | null {
  return containerHolding(context, held) ?? processHolding(held);
}

function containerHolding(context: Context, held: HeldPort): string | null {
  for (const id of listed(context.paths.running)) {
    const holds = openPorts(context, id).some(
      ({ protocol, hostPort, hostAddress }) =>
        protocol === held.protocol && hostPort === held.port && overlaps(hostAddress, held.address),
    );
    if (!holds || !isLocked(join(context.paths.running, id))) continue;
    return `container ${containersByIdPrefix(context.db(), id)[0]?.name ?? id.slice(0, 12)}`;
  }
  return null;
}

const isEvery = (address: string): boolean => address === "" || address === "0.0.0.0" || address === "::";

function overlaps(a: string, b: string): boolean {
  return a === b || isEvery(a) || isEvery(b);
}

function processHolding({ protocol, port }: HeldPort): string | null {
  const sockets = ["", "6"].flatMap((family) => socketsOn(textAt(`/proc/net/${protocol}${family}`), port));
  const inodes = new Set(sockets.map(({ inode }) => inode));
  if (inodes.size === 0) return null;
  for (const pid of listed("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of listed(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkAt(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined && inodes.has(inode)) return `process ${pid} (${nameOf(pid)})`;
    }
  }
  const uid = sockets[0]?.uid ?? 0;
  const name = parsePasswd(textAt("/etc/passwd")).find((entry) => entry.uid === uid)?.name;
  return `a process of ${name ?? `the user ${uid}`}`;
}

const LISTENS = "0A"; // TCP_LISTEN
const UDP_BOUND = "07"; // TCP_CLOSE: a socket of UDP that is connected to nobody

/** proc(5), /proc/net/tcp: the second column is address and port, the fourth the state, the eighth the user, the tenth the inode. */
export function socketsOn(table: string, port: number): { uid: number; inode: string }[] {
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, local = "", , state = ""]) => local.endsWith(end) && (state === LISTENS || state === UDP_BOUND),
    )
    .map((columns) => ({ uid: Number(columns[7]), inode: columns[9] ?? "" }));
}

function nameOf(pid: string): string {
  return textAt(`/proc/${pid}/comm`).trim() || "unknown";
}

function textAt(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function listed(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // another user's, or gone
  }
}
