/** podman's columns of `top`: what /proc tells of a container's processes, with the container's own numbers and users. */
import { readFileSync } from "node:fs";
import { EngineError } from "../error";
import { ALL_CAPABILITIES, parseGroup, parsePasswd } from "../oci";
import { readInside } from "../storage";

const TICKS_PER_SECOND = 100; // USER_HZ of every Linux that proa runs on
const NOTHING = "-";

/** What the columns are made from. `status`: the lines of /proc/PID/status, by name. */
type Facts = {
  pid: number;
  /** Fields of /proc/PID/stat behind the name, from state on. */
  stat: readonly string[];
  status: Readonly<Record<string, string>>;
};

type Names = { users: ReadonlyMap<number, string>; groups: ReadonlyMap<number, string> };

type Surroundings = {
  nowMs: number;
  bootMs: number;
  inside: Names;
  host: Names;
  uids: IdMap;
  gids: IdMap;
  /** From a host's pid to the container's. */
  pids: ReadonlyMap<number, number>;
};

type Column = { title: string; alias?: string; of: (facts: Facts, place: Surroundings) => string };

const ids = (facts: Facts, key: "Uid" | "Gid"): number[] =>
  (facts.status[key] ?? "").split(/\s+/).map(Number);
const REAL = 0;
const EFFECTIVE = 1;

function nameOf(names: ReadonlyMap<number, string>, id: number): string {
  return names.get(id) ?? String(id);
}

function insideName(facts: Facts, place: Surroundings, key: "Uid" | "Gid", which: number): string {
  const host = ids(facts, key)[which] ?? 0;
  const id = (key === "Uid" ? place.uids : place.gids)(host);
  return id === null ? String(host) : nameOf(key === "Uid" ? place.inside.users : place.inside.groups, id);
}

function capabilities(facts: Facts, key: string): string {
  const bits = BigInt(`0x${facts.status[key] ?? "0"}`);
  if (bits === 0n) return "none";
  const known = ALL_CAPABILITIES.filter((_, i) => (bits >> BigInt(i)) & 1n);
  return known.length === ALL_CAPABILITIES.length ? "full" : known.join(",");
}

function runningSeconds(facts: Facts, place: Surroundings): number {
  const startedMs = place.bootMs + (Number(facts.stat[19]) / TICKS_PER_SECOND) * 1000;
  return Math.max(0, (place.nowMs - startedMs) / 1000);
}

function cpuSeconds({ stat }: Facts): number {
  return (Number(stat[11]) + Number(stat[12])) / TICKS_PER_SECOND;
}

/** As Go prints a duration of whole milliseconds or more. */
function goDuration(seconds: number): string {
  if (seconds === 0) return "0s";
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  const whole = Math.trunc(seconds);
  const [h, m] = [Math.trunc(whole / 3600), Math.trunc(whole / 60) % 60];
  const s = `${Number((seconds - h * 3600 - m * 60).toFixed(9))}s`;
  return h > 0 ? `${h}h${m}m${s}` : m > 0 ? `${m}m${s}` : s;
}

/** proc(5): tty_nr is the device number of the controlling terminal. */
function terminal(number: number): string {
  if (number === 0) return "?";
  const major = (number >> 8) & 0xfff;
  const minor = (number & 0xff) | ((number >> 12) & 0xfff00);
  return major >= 136 && major <= 143
    ? `pts/${minor + (major - 136) * 256}`
    : major === 4
      ? `tty${minor}`
      : "?";
}

function commandLine({ pid, status }: Facts): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  return words.filter((word, i) => word !== "" || i < words.length - 1).join(" ") || `[${status["Name"]}]`;
}

function attribute(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8").replace(/[\0\n]+$/, "") || NOTHING;
  } catch {
    return NOTHING; // no such thing in this kernel
  }
}

/** A number of the container's own pid namespace; what is outside of it is 0 there. */
function ownNumber(facts: Facts, key: "NSpid" | "NSpgid"): string {
  return (facts.status[key] ?? "").split(/\s+/).at(-1) ?? String(facts.pid);
}

const SECCOMP = ["disabled", "strict", "filter"];

const columns: Readonly<Record<string, Column>> = {
  args: { title: "COMMAND", alias: "%a", of: commandLine },
  capamb: { title: "AMBIENT CAPS", of: (facts) => capabilities(facts, "CapAmb") },
  capbnd: { title: "BOUNDING CAPS", of: (facts) => capabilities(facts, "CapBnd") },
  capeff: { title: "EFFECTIVE CAPS", of: (facts) => capabilities(facts, "CapEff") },
  capinh: { title: "INHERITED CAPS", of: (facts) => capabilities(facts, "CapInh") },
  capprm: { title: "PERMITTED CAPS", of: (facts) => capabilities(facts, "CapPrm") },
  cgroup: { title: "CGROUP", of: ({ pid }) => attribute(pid, "cgroup") },
  comm: { title: "COMMAND", alias: "%c", of: ({ status }) => status["Name"] ?? "" },
  etime: { title: "ELAPSED", alias: "%t", of: (facts, place) => goDuration(runningSeconds(facts, place)) },
  group: { title: "GROUP", alias: "%G", of: (facts, place) => insideName(facts, place, "Gid", EFFECTIVE) },
  groups: { title: "GROUPS", of: (facts, place) => groupsOf(facts, place.gids, place.inside.groups) },
  hgroup: {
    title: "HGROUP",
    of: (facts, { host }) => nameOf(host.groups, ids(facts, "Gid")[EFFECTIVE] ?? 0),
  },
  hgroups: { title: "HGROUPS", of: (facts, { host }) => groupsOf(facts, (id) => id, host.groups) },
  hpid: { title: "HPID", of: ({ pid }) => String(pid) },
  huser: { title: "HUSER", of: (facts, { host }) => nameOf(host.users, ids(facts, "Uid")[EFFECTIVE] ?? 0) },
  label: { title: "LABEL", of: ({ pid }) => attribute(pid, "attr/current") },
  nice: { title: "NI", alias: "%n", of: ({ stat }) => stat[16] ?? "" },
  pcpu: {
    title: "%CPU",
    alias: "%C",
    of: (facts, place) => ((100 * cpuSeconds(facts)) / (runningSeconds(facts, place) || 1)).toFixed(3),
  },
  pgid: { title: "PGID", alias: "%r", of: (facts) => ownNumber(facts, "NSpgid") },
  pid: { title: "PID", alias: "%p", of: (facts) => ownNumber(facts, "NSpid") },
  ppid: { title: "PPID", alias: "%P", of: ({ stat }, { pids }) => String(pids.get(Number(stat[1])) ?? 0) },
  rgroup: { title: "RGROUP", alias: "%g", of: (facts, place) => insideName(facts, place, "Gid", REAL) },
  rss: { title: "RSS", of: ({ status }) => (status["VmRSS"] ?? "0").replace(/ kB$/, "") },
  ruser: { title: "RUSER", alias: "%u", of: (facts, place) => insideName(facts, place, "Uid", REAL) },
  seccomp: { title: "SECCOMP", of: ({ status }) => SECCOMP[Number(status["Seccomp"] ?? 0)] ?? NOTHING },
  state: { title: "STATE", of: ({ stat }) => stat[0] ?? "" },
  stime: {
    title: "STIME",
    of: (facts, place) => new Date(place.nowMs - runningSeconds(facts, place) * 1000).toISOString(),
  },
  time: { title: "TIME", alias: "%x", of: (facts) => goDuration(cpuSeconds(facts)) },
  tty: { title: "TTY", alias: "%y", of: ({ stat }) => terminal(Number(stat[4])) },
  user: { title: "USER", alias: "%U", of: (facts, place) => insideName(facts, place, "Uid", EFFECTIVE) },
  vsz: { title: "VSZ", alias: "%z", of: ({ stat }) => String(Math.trunc(Number(stat[20]) / 1024)) },
};

const OTHER_NAMES: Readonly<Record<string, string>> = { "%cpu": "pcpu", pcap: "capprm" };

/** Every column by its name. */
export const DESCRIPTORS: readonly string[] = Object.keys(columns);

function columnOf(word: string): Column | undefined {
  const alias = Object.values(columns).find((column) => column.alias === word);
  const name = word.toLowerCase();
  if (alias) return alias;
  const key = OTHER_NAMES[name] ?? name;
  return Object.hasOwn(columns, key) ? columns[key] : undefined;
}

/** Whether these words, which commas and blanks part, are all names of columns: otherwise they are ps(1)'s. */
export function areDescriptors(options: readonly string[]): boolean {
  const words = wordsOf(options);
  return words.length > 0 && words.every((word) => columnOf(word) !== undefined);
}

function wordsOf(options: readonly string[]): string[] {
  return options.flatMap((option) => option.split(/[\s,]+/)).filter(Boolean);
}

/** A process calls itself what it likes: not as a command to the terminal. */
const CONTROLS = /[\x00-\x1f\x7f-\x9f]/g;

/** The processes PIDS of the container whose first process is FIRST. Throws `invalid` for an unknown column. */
export function describeProcesses(
  pids: Iterable<number>,
  first: number,
  options: readonly string[],
  nowMs: number,
): { titles: string[]; processes: string[][] } {
  const wanted = wordsOf(options).map((word) => {
    const column = columnOf(word);
    if (column) return column;
    throw new EngineError("invalid", "list processes", word, "no such column", {
      hint: DESCRIPTORS.join(", "),
    });
  });
  const all = [...pids].sort((a, b) => a - b).flatMap(factsOf);
  const place = surroundings(first, all, nowMs);
  const processes = all.flatMap((facts) => {
    try {
      return [wanted.map(({ of }) => of(facts, place).replace(CONTROLS, "?"))];
    } catch {
      return []; // it has just ended
    }
  });
  return { titles: wanted.map(({ title }) => title), processes };
}

function factsOf(pid: number): Facts[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const status: Record<string, string> = {};
    for (const line of readFileSync(`/proc/${pid}/status`, "utf8").split("\n")) {
      const cut = line.indexOf(":");
      if (cut > 0) status[line.slice(0, cut)] = line.slice(cut + 1).trim();
    }
    return [{ pid, stat: text.slice(text.lastIndexOf(")") + 2).split(" "), status }];
  } catch {
    return [];
  }
}

function surroundings(first: number, all: readonly Facts[], nowMs: number): Surroundings {
  const root = `/proc/${first}/root`;
  const read = (path: string) => readInside(root, path) ?? "";
  const own = (path: string) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return "";
    }
  };
  return {
    nowMs,
    bootMs: nowMs - Number(own("/proc/uptime").split(" ")[0]) * 1000,
    inside: namesOf(read("/etc/passwd"), read("/etc/group")),
    host: namesOf(own("/etc/passwd"), own("/etc/group")),
    uids: idMap(own(`/proc/${first}/uid_map`)),
    gids: idMap(own(`/proc/${first}/gid_map`)),
    pids: new Map(all.map((facts) => [facts.pid, Number(ownNumber(facts, "NSpid"))])),
  };
}

function namesOf(passwd: string, group: string): Names {
  return {
    users: new Map(parsePasswd(passwd).map(({ uid, name }) => [uid, name])),
    groups: new Map(parseGroup(group).map(({ gid, name }) => [gid, name])),
  };
}

/** From an id of the host to one of the container; null where it is not mapped. */
type IdMap = (id: number) => number | null;

function idMap(text: string): IdMap {
  const lines = text
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  return (id) => {
    for (const [inside = 0, outside = 0, size = 0] of lines) {
      if (id >= outside && id < outside + size) return inside + id - outside;
    }
    return null;
  };
}

function groupsOf(facts: Facts, map: IdMap, names: ReadonlyMap<number, string>): string {
  const groups = (facts.status["Groups"] ?? "").split(/\s+/).filter(Boolean).map(Number);
  return groups.map((id) => nameOf(names, map(id) ?? id)).join(",") || NOTHING;
}
