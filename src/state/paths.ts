/** Where everything lies: the XDG base directories, and for root the system's own. */
import { existsSync, lstatSync, mkdirSync } from "node:fs";
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
  const data = base("XDG_DATA_HOME", ".local/share", "/var/lib/proa");
  const cache = base("XDG_CACHE_HOME", ".cache", "/var/cache/proa");
  const runtime = runtimeBase(env, uid);
  return {
    data,
    runtime,
    config: base("XDG_CONFIG_HOME", ".config", "/etc/proa"),
    cache,
    database: join(data, "state.db"),
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
  const stat = lstatSync(path);
  return stat.isDirectory() && stat.uid === uid && (stat.mode & 0o022) === 0;
}

/**
 * Make a directory of ours (0700; 0711 for root, whose containers' ids must pass through it). Refuses one that somebody else owns or can write:
 * in /tmp another user may have been there first.
 */
export function makePrivateDirectory(path: string, uid: number): void {
  try {
    mkdirSync(path, { recursive: true, mode: uid === 0 ? 0o711 : 0o700 });
  } catch (error) {
    throw new EngineError("io", "create directory", path, error, { hint: hintForDirectory(path) });
  }
  if (!isPrivateDirectory(path, uid)) {
    throw new EngineError("io", "use directory", path, "it is not a directory that only you can write", {
      hint: "set XDG_RUNTIME_DIR to a directory of your own",
    });
  }
}

function hintForDirectory(path: string): string {
  const variable = path.includes("/.cache/") ? "XDG_CACHE_HOME" : "XDG_DATA_HOME";
  return `proa keeps its state there; choose another place with ${variable}`;
}
