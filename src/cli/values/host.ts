/** What this host has: files, programs, users, devices, variables. */
import { readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { type EntryType, entriesAt } from "../../helper";
import { type Candidate, offer, type Provider, told } from "./candidates";
import { areMany, type Entry, entryCandidates, isProgram, isShown, type Wanted } from "./entries";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Paths that begin with what was typed, as the shell would complete them; `~/` is the user's home. Directories are open.
 *
 * @param head what stands before the path
 */
export function hostPaths(env: Environment, typed: string, wanted: Wanted = "all", head = ""): Candidate[] {
  if (typed === "~") return offer([`${head}~/`]);
  const directory = typed.slice(0, typed.lastIndexOf("/") + 1);
  const base = typed.slice(directory.length);
  const place = directory.startsWith("~/") ? `${env["HOME"] ?? ""}${directory.slice(1)}` : directory || ".";
  return entryCandidates(
    entriesIn(place, (name) => isShown(name, base)),
    head + directory,
    wanted,
  );
}

class HostEntry implements Entry {
  readonly name: string;
  readonly type: EntryType;
  readonly #directory: string;

  constructor(directory: string, name: string, type: EntryType) {
    this.#directory = directory;
    this.name = name;
    this.type = type;
  }

  stat(): Stats | null {
    return statOf(`${this.#directory}/${this.name}`);
  }
}

/** Empty where it is no directory, or closed to us. */
function entriesIn(directory: string, isMeant: (name: string) => boolean): Entry[] {
  const entries: Entry[] = [];
  try {
    for (const { name, type } of entriesAt(directory))
      if (isMeant(name)) entries.push(new HostEntry(directory, name, type));
  } catch {
    // as good as empty
  }
  return entries;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Of what a link leads to; null where nothing is there. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null; // in a directory that is closed to us
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Names of the environment; what their values are is not for a screen. */
export const environment: Provider = ({ app, prefix }) =>
  prefix.includes("=") ? [] : offer(Object.keys(app.env).sort());

/** Programs of the path. */
export const programs: Provider = ({ app, prefix }) => {
  if (prefix.includes("/")) return hostPaths(app.env, prefix, "programs");
  if (prefix === "") return [];
  const found = new Set<string>();
  for (const directory of pathOf(app.env)) {
    const entries = entriesIn(directory, (name) => name.startsWith(prefix));
    for (const entry of entries) if (isProgram(entry, areMany(entries))) found.add(entry.name);
  }
  return offer([...found].sort());
};

const pathOf = (env: Environment): string[] => (env["PATH"] ?? "").split(":").filter(Boolean);

/** OCI runtimes that proa knows, where they are installed. */
export const runtimes: Provider = ({ app, prefix }) => {
  if (prefix.includes("/")) return hostPaths(app.env, prefix, "programs");
  const isThere = (name: string) =>
    pathOf(app.env).some((directory) => {
      const stat = () => statOf(`${directory}/${name}`);
      return isProgram({ name, type: "unknown", stat }, false);
    });
  return offer(["crun", "runc", "youki"].filter(isThere));
};

/** Names in passwd(5). */
export const hostUsers: Provider = () =>
  linesOf("/etc/passwd").map(([name = "", , uid]) => told(name, `uid ${uid}`));

/** Names in subuid(5) and subgid(5). */
export const subordinateNames: Provider = () =>
  offer(new Set([...linesOf("/etc/subuid"), ...linesOf("/etc/subgid")].map(([name = ""]) => name)));

function linesOf(path: string): string[][] {
  return textOf(path)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

/** Hosts that ssh has settings for, ssh_config(5); patterns are none. */
export function sshHosts(env: Environment): string[] {
  const lines = textOf(`${env["HOME"] ?? ""}/.ssh/config`).matchAll(/^\s*Host\s+(.*)$/gim);
  return [...lines]
    .flatMap(([, names = ""]) => names.trim().split(/\s+/))
    .filter((name) => !/[*?!]/.test(name));
}

/** Paths below /dev. */
export function devicePaths(env: Environment, typed: string, isBlock = false): Candidate[] {
  if (!typed.startsWith("/dev/")) return offer(["/dev/"]);
  return hostPaths(env, typed, isBlock ? "blocks" : "devices");
}

/** DEVICE:NUMBER of a block device. */
export const deviceLimit: Provider = ({ app, prefix }) => {
  if (prefix.includes(":")) return [];
  return devicePaths(app.env, prefix, true).map((each) =>
    each.isOpen === true ? each : { value: `${each.value}:`, isOpen: true },
  );
};

const ZONES = "/usr/share/zoneinfo";

/** Names of the time zones that are installed. */
export const timeZones: Provider = ({ prefix }) => {
  const directory = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const words = directory === "" ? ["local", "UTC"] : [];
  if (directory.split("/").includes("..")) return [];
  const zones = namesIn(`${ZONES}/${directory}`)
    .filter((name) => /^[A-Z]/.test(name))
    .sort()
    .map((name) => {
      const isDirectory = statOf(`${ZONES}/${directory}${name}`)?.isDirectory() === true;
      return directory + name + (isDirectory ? "/" : "");
    });
  return offer([...words, ...zones]);
};

/** Numbers of CPUs, and all of them. */
export const cpuList: Provider = ({ prefix }) => {
  const online = textOf("/sys/devices/system/cpu/online").trim();
  const last = Number(/\d+$/.exec(online)?.[0] ?? 0);
  const head = prefix.slice(0, Math.max(prefix.lastIndexOf(","), prefix.lastIndexOf("-")) + 1);
  const single = Array.from({ length: Math.min(last, 1023) + 1 }, (_, at) => `${head}${at}`);
  return offer(head === "" ? [online, ...single] : single);
};

/** sysctl(8) names that a container has its own of (namespaces(7)), `net.*` as this kernel has them. */
export const sysctls: Provider = ({ prefix }) => {
  if (prefix.includes("=")) return [];
  const fixed = [
    ..."msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced domainname hostname"
      .split(" ")
      .map((name) => `kernel.${name}=`),
    ..."msg_default msg_max msgsize_default msgsize_max queues_max"
      .split(" ")
      .map((name) => `fs.mqueue.${name}=`),
  ];
  if (!"net.".startsWith(prefix) && !prefix.startsWith("net.")) return offer(fixed);
  const [directory] = [prefix.slice(0, prefix.lastIndexOf(".") + 1) || "net."];
  if (!/^[\w.-]*$/.test(directory) || directory.includes("..")) return [];
  if (prefix.length < "net.".length) return [...offer(fixed), { value: "net.", isOpen: true }];
  const place = `/proc/sys/${directory.replaceAll(".", "/")}`;
  return namesIn(place)
    .sort()
    .map((name) => {
      const isDirectory = statOf(place + name)?.isDirectory() === true;
      return { value: directory + name + (isDirectory ? "." : "="), isOpen: true };
    });
};
