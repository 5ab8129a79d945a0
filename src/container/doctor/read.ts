/** Reads what `proa doctor` judges. Nothing here fails: what cannot be read is a fact, too. */
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statfsSync,
  statSync,
} from "node:fs";
import { release } from "node:os";
import { dirname, join } from "node:path";
import { EngineError, reasonOf } from "../../error";
import { callHelper, hasEntryTypes, lgetxattr } from "../../helper";
import { parsePasswd } from "../../oci";
import { foundAuthFiles, readRegistriesConf } from "../../registry";
import {
  allContainerSpecs,
  allContainers,
  type ContainerRow,
  type Context,
  configFile,
  isLocked,
} from "../../state";
import { selectDriver, tryFeatures } from "../../storage";
import { cgroupFacts } from "../cgroup-facts";
import { foundElsewhere } from "../elsewhere";
import { checkLogDefaults } from "../log-target";
import { containerDirectory, exitFile, runDirectory } from "../places";
import { readSpec } from "../spec";
import { countUnfinished } from "../unfinished";
import type { Attempt, AuthFile, DirectoryFacts, HostFacts, MapProgram, PlaceFacts } from "./facts";
import { type Mount, mountOf, parseMounts } from "./mounts";

export async function readHost(context: Context): Promise<HostFacts> {
  const { env, uid, paths } = context;
  const lastWrittenMs = Math.max(
    ...["state.db", "state.db-wal", "events.jsonl"].map((name) => timeOf(join(paths.data, name))),
  );
  const passwd = textAt("/etc/passwd");
  const user = parsePasswd(passwd).find((entry) => entry.uid === uid)?.name ?? String(uid);
  const status = textAt("/proc/self/status");
  const mounts = parseMounts(textAt("/proc/self/mountinfo"));
  const data = placeAt(mounts, paths.data);
  const database = attempt(() => ({ containers: allContainers(context.db()).length }));
  const rows = "ok" in database ? allContainers(context.db()) : [];
  return {
    uid,
    user,
    nowMs: context.now(),
    kernel: release(),
    sysctl: (path) => textAt(`/proc/sys/${path}`).trim() || null,
    appArmor: appArmorProfile(),
    seLinux: ({ "1": "enforcing", "0": "permissive" }[textAt("/sys/fs/selinux/enforce").trim()] as "") ?? "",
    noNewPrivileges: /^NoNewPrivs:\s*1/m.test(status),
    features: await tried(() => tryFeatures(context)),
    subuid: textAt("/etc/subuid"),
    subgid: textAt("/etc/subgid"),
    passwd,
    mapPrograms: (["newuidmap", "newgidmap"] as const).map((name) => mapProgram(mounts, name)),
    cgroups: attempt(() => cgroupFacts(context)),
    storage: await tried(async () => {
      const { driver, reason } = await selectDriver(context);
      return { driver: driver.name, reason, isChosen: (context.storageDriver ?? "") !== "" };
    }),
    fuse: { program: Bun.which("fuse-overlayfs"), device: deviceAt("/dev/fuse") },
    data,
    cache: placeAt(mounts, paths.cache),
    runtime: placeAt(mounts, paths.runtime),
    hasEntryTypes: resultOf(attempt(() => hasEntryTypes(existingPart(paths.data)))) ?? null,
    network: await tried(async () => {
      const { features, error } = await callHelper(paths.cache, "netd-probe", {});
      return error
        ? { ...features, tproxy: false, why: [`${error.step}: ${error.detail || error.errno}`] }
        : features;
    }),
    networkPrograms: ["pasta", "slirp4netns"].filter((program) => Bun.which(program) !== null),
    tun: deviceAt("/dev/net/tun"),
    groups: [...new Set([process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])])],
    lastWrittenMs,
    builtMs: timeOf(process.execPath),
    session: {
      hasSystemd: existsSync("/run/systemd/system"),
      lingers: existsSync(join("/var/lib/systemd/linger", user)),
      hasLoginDirectory: existsSync(`/run/user/${uid}`),
      runtimeVariable: env.XDG_RUNTIME_DIR,
      runtimeDirectory: env.XDG_RUNTIME_DIR ? directoryAt(env.XDG_RUNTIME_DIR) : null,
      used: paths.runtime,
      restarting: "ok" in database ? restartingIn(context) : 0,
    },
    limits: limitsOf(uid),
    database,
    killed: rows.filter((row) => isKilled(context, row)).map(({ name }) => name),
    lost: rows
      .filter(({ id, status: state }) => state === "exited" && !existsSync(containerDirectory(context, id)))
      .map(({ name }) => name),
    unfinished: resultOf(attempt(() => countUnfinished(context))) ?? 0,
    configuration: attempt(() => {
      checkLogDefaults(context);
      const path = configFile(paths.config);
      return existsSync(path) ? path : `no ${path}: what is built in`;
    }),
    configurationFile: configFile(paths.config),
    registries: attempt(() => ({ files: readRegistriesConf(env).entries.length })),
    authFiles: foundAuthFiles(env).map(authFile),
  };
}

function attempt<T>(read: () => T): Attempt<T> {
  try {
    return { ok: read() };
  } catch (error) {
    return failed(error);
  }
}

async function tried<T>(read: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { ok: await read() };
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): { failed: string; hint: string | undefined } {
  return { failed: reasonOf(error), hint: error instanceof EngineError ? error.hint : undefined };
}

function resultOf<T>(attempted: Attempt<T>): T | undefined {
  return "ok" in attempted ? attempted.ok : undefined;
}

function textAt(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Null where nothing is, or it is behind a closed directory. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

/** Modification time; 0 where nothing is. */
function timeOf(path: string): number {
  return statOf(path)?.mtimeMs ?? 0;
}

function appArmorProfile(): string {
  if (textAt("/sys/module/apparmor/parameters/enabled").trim() !== "Y") return "";
  const profile = textAt("/proc/self/attr/apparmor/current") || textAt("/proc/self/attr/current");
  return profile.replaceAll("\0", "").trim();
}

function deviceAt(path: string): "usable" | "closed" | "missing" {
  if (!existsSync(path)) return "missing";
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return "usable";
  } catch {
    return "closed";
  }
}

const SET_UID = 0o4000;

function mapProgram(mounts: readonly Mount[], name: MapProgram["name"]): MapProgram {
  const usual = `/usr/bin/${name}`;
  const path = existsSync(usual) ? usual : Bun.which(name);
  const found = path === null ? null : statOf(path);
  if (path === null || !found)
    return { name, path: null, hasSetId: false, hasCapabilities: false, isOnNosuid: false };
  const real = realpathSync(path);
  const capabilities = resultOf(attempt(() => lgetxattr(real, "security.capability"))) ?? null;
  return {
    name,
    path,
    hasSetId: found.uid === 0 && (found.mode & SET_UID) !== 0,
    hasCapabilities: capabilities !== null,
    isOnNosuid: mountOf(mounts, real)?.options.includes("nosuid") ?? false,
  };
}

/** The path, or what of it is there. */
function existingPart(path: string): string {
  let at = path;
  while (at !== "/" && !existsSync(at)) at = dirname(at);
  return realpathSync(at);
}

function placeAt(mounts: readonly Mount[], path: string): PlaceFacts {
  const none = {
    fileSystem: "unknown",
    options: [],
    freeBytes: 0,
    totalBytes: 0,
    freeInodes: 0,
    totalInodes: 0,
    obstacle: "",
  };
  try {
    const real = existingPart(path);
    const mount = mountOf(mounts, real);
    const { bsize, bavail, blocks, ffree, files } = statfsSync(real);
    return {
      path,
      fileSystem: mount?.fileSystem ?? "unknown",
      options: mount?.options ?? [],
      freeBytes: bavail * bsize,
      totalBytes: blocks * bsize,
      freeInodes: ffree,
      totalInodes: files,
      obstacle: obstacleTo(path, real),
    };
  } catch {
    return { path, ...none };
  }
}

/** What keeps us from making the directory in what is there of its path, or from writing in it. */
function obstacleTo(path: string, there: string): string {
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
    return "";
  } catch (error) {
    const isReadOnly = (error as NodeJS.ErrnoException).code === "EROFS";
    const why = isReadOnly ? "is on a file system that is mounted read-only" : "is not yours to write in";
    return existsSync(path) ? `it ${why}` : `it is not there, and ${there} ${why}`;
  }
}

function directoryAt(path: string): DirectoryFacts | null {
  const found = statOf(path);
  return found ? { uid: found.uid, mode: found.mode, isDirectory: found.isDirectory() } : null;
}

function restartingIn(context: Context): number {
  return [...allContainerSpecs(context.db()).values()].filter(
    (text) => readSpec(text).HostConfig.RestartPolicy.Name !== "no",
  ).length;
}

/** proc_pid_limits(5): soft and hard limit of each kind. */
function limitsOf(uid: number): HostFacts["limits"] {
  const text = textAt("/proc/self/limits");
  const limit = (name: string, column: 0 | 1): number => {
    const values = new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, "m").exec(text)?.slice(1) ?? [];
    const value = values[column] ?? "unlimited";
    return value === "unlimited" ? Number.POSITIVE_INFINITY : Number(value);
  };
  return {
    openFiles: limit("Max open files", 1),
    processes: limit("Max processes", 0),
    running: tasksOf(uid),
  };
}

/** Every thread counts for RLIMIT_NPROC. */
function tasksOf(uid: number): number {
  let count = 0;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      if (statSync(`/proc/${pid}`).uid === uid) count += readdirSync(`/proc/${pid}/task`).length;
    } catch {
      // it ended meanwhile
    }
  }
  return count;
}

/** One that has ended by itself has left a record, and one of --rm nothing at all. */
function isKilled(context: Context, { id, status }: ContainerRow): boolean {
  if (status !== "running") return false;
  try {
    if (isLocked(runDirectory(context, id))) return false;
  } catch {
    return false; // not ours to open: the runtime directory's check says so
  }
  if (existsSync(exitFile(context, id)) || !existsSync(containerDirectory(context, id))) return false;
  return !foundElsewhere(id);
}

function authFile({ path, fault, helpers, hasSecrets }: ReturnType<typeof foundAuthFiles>[number]): AuthFile {
  return {
    path,
    fault,
    helpers: helpers.map((name) => ({ name, isThere: Bun.which(`docker-credential-${name}`) !== null })),
    isOpen: hasSecrets && ((statOf(path)?.mode ?? 0) & 0o044) !== 0,
  };
}
