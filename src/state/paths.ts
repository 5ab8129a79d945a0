/** Where everything lies: the XDG base directories, and for root the system's own. */
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { EngineError } from "../error";

export type Paths = {
  data: string;
  runtime: string;
  config: string;
  cache: string;
  /** state.db, SQLite. */
  database: string;
  /** The journal of events, one JSON object a line. */
  events: string;
  /** OCI image layout. */
  images: string;
  /** Extracted layers by chain id. */
  layers: string;
  /** One directory a container: the OCI bundle, the writable layer, the log. */
  containers: string;
  /** One directory a container that lives: lock, state.json, attach.sock. */
  running: string;
  /** Compiled seccomp filters. */
  seccomp: string;
};

type Environment = Record<string, string | undefined>;

/** The paths for this environment and user. Creates nothing. A relative XDG variable counts as unset, as the specification has it. */
export function resolvePaths(env: Environment, uid: number): Paths {
  const isRoot = uid === 0;
  const home = env.HOME && isAbsolute(env.HOME) ? env.HOME : homedir();
  const base = (name: string, underHome: string, ofRoot: string): string => {
    const value = env[name];
    if (value && isAbsolute(value)) return join(value, "proa");
    // root's home is closed to the ids that its containers run as
    return isRoot ? ofRoot : join(home, underHome, "proa");
  };
  const named = (name: "PROA_ROOT" | "PROA_RUNROOT"): string | undefined => {
    const value = env[name]; // --root, --runroot
    return value && isAbsolute(value) ? value : undefined;
  };
  const own = named("PROA_ROOT");
  const runroot = named("PROA_RUNROOT");
  const data = own ?? base("XDG_DATA_HOME", ".local/share", "/var/lib/proa");
  const cache = base("XDG_CACHE_HOME", ".cache", "/var/cache/proa");
  const usual = runroot ?? runtimeBase(env, uid);
  // netd serves the networks of one store: another has its own beside it
  const runtime = own && runroot === undefined ? `${usual}-${Bun.hash(own).toString(16).slice(0, 8)}` : usual;
  return {
    data,
    runtime,
    config: base("XDG_CONFIG_HOME", ".config", "/etc/proa"),
    cache,
    database: join(data, "state.db"),
    events: join(data, "events.jsonl"),
    images: join(data, "images"),
    layers: join(data, "layers"),
    containers: join(data, "containers"),
    running: join(runtime, "containers"),
    seccomp: join(cache, "seccomp"),
  };
}

/** $XDG_RUNTIME_DIR, else what the login manager would have made, else a directory of our own in /tmp. */
function runtimeBase(env: Environment, uid: number): string {
  const given = env.XDG_RUNTIME_DIR;
  if (given && isAbsolute(given)) return join(given, "proa");
  if (uid === 0) return "/run/proa";
  const login = `/run/user/${uid}`;
  return existsSync(login) && isPrivateDirectory(login, uid) ? join(login, "proa") : `/tmp/proa-${uid}`;
}

function isPrivateDirectory(path: string, uid: number): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === uid && (stat.mode & 0o022) === 0;
}

/** What a directory is chosen by, for hints. */
type Variable = "XDG_DATA_HOME" | "XDG_CACHE_HOME" | "XDG_RUNTIME_DIR";

/**
 * Make a directory of ours (0700; 0711 for root, whose containers' ids must pass through it). Refuses one that somebody else owns or can write:
 * in /tmp another user may have been there first.
 */
export function makePrivateDirectory(path: string, uid: number, variable: Variable = "XDG_DATA_HOME"): void {
  try {
    if (isPrivateDirectory(path, uid)) return; // always but the first time
    mkdirSync(path, { recursive: true, mode: uid === 0 ? 0o711 : 0o700 });
  } catch (error) {
    throw new EngineError("io", "create directory", path, error, { hint: hintFor(variable) });
  }
  if (!isPrivateDirectory(path, uid)) throw notPrivate(path, variable);
}

/**
 * Root's containers run as its subordinate ids, who must pass through the data directory: open it to their group, and to nobody else.
 * What lies in it (setuid programs of images, secrets in the database) is not for the host's other users.
 */
export function shareWithContainers(path: string, gid: number): void {
  const stat = statSync(path);
  if (stat.gid === gid && (stat.mode & 0o777) === 0o710) return;
  chownSync(path, 0, gid);
  chmodSync(path, 0o710);
}

/** Make the directories that those of living containers are made in, and see of each that it is ours alone. */
export function makeRuntimeDirectory(paths: Paths, uid: number): void {
  makePrivateDirectory(paths.runtime, uid, "XDG_RUNTIME_DIR");
  makePrivateDirectory(paths.running, uid, "XDG_RUNTIME_DIR");
}

/** Refuse a runtime directory in which somebody else may have put locks and sockets. That it is not there is no fault. */
export function checkRuntimeDirectory(paths: Paths, uid: number): void {
  if (existsSync(paths.runtime) && !isPrivateDirectory(paths.runtime, uid))
    throw notPrivate(paths.runtime, "XDG_RUNTIME_DIR");
}

function notPrivate(path: string, variable: Variable): EngineError {
  return new EngineError("io", "use directory", path, "it is not a directory that only you can write", {
    hint: hintFor(variable),
  });
}

function hintFor(variable: Variable): string {
  return variable === "XDG_RUNTIME_DIR"
    ? "set XDG_RUNTIME_DIR to a directory of your own"
    : `proa keeps its ${variable === "XDG_DATA_HOME" ? "state" : "cache"} there; choose another place with ${variable}`;
}
