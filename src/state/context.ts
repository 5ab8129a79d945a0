/** What every room needs from outside: paths, environment, database, id maps. Made once in cli/, handed down. */
import type { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { EngineError } from "../error";
import { type HostMappings, hostMappings, isUnshared } from "../helper";
import {
  type CgroupManagerName,
  type Config,
  type LogDefaults,
  type NetworkConfig,
  readConfig,
} from "./config";
import {
  checkRuntimeDirectory,
  makePrivateDirectory,
  type Paths,
  resolvePaths,
  shareWithContainers,
} from "./paths";

export type Context = {
  readonly env: Record<string, string | undefined>;
  readonly uid: number;
  readonly paths: Paths;
  /** Configured storage driver, or undefined: probe. Reads the configuration at the first call where the caller named none. */
  readonly storageDriver: string | undefined;
  /** Who makes control groups, where the caller or the configuration says so; else what is found. Reads the configuration as above. */
  readonly cgroupManager: CgroupManagerName | undefined;
  /** Seconds that systemd has to answer, where the configuration says so. Reads the configuration at the first call. */
  readonly cgroupManagerTimeout: number | undefined;
  /** The caller has named it: where it cannot be had, nothing takes its place. */
  readonly isCgroupManagerAsked: boolean;
  /** Settings of networks. Reads the configuration at the first call. */
  readonly network: NetworkConfig;
  /** Settings of logs. Reads the configuration at the first call. */
  readonly log: LogDefaults;
  /** Milliseconds of the wall clock since the epoch. */
  readonly now: () => number;
  /** The state database, opened at the first call; where the context is for a glance, to be read only. */
  readonly db: () => Database;
  /** The id maps of this user, read at the first call. */
  readonly host: () => HostMappings;
  /** A line for the user that is no result: goes to stderr. */
  readonly warn: (message: string) => void;
};

export type ContextOptions = {
  env: Record<string, string | undefined>;
  /** Directory of configuration files in place of the usual one. */
  config?: string | undefined;
  storageDriver?: string | undefined;
  cgroupManager?: CgroupManagerName | undefined;
  /** Nothing is made, mended or waited for: somebody is typing. */
  isGlance?: boolean | undefined;
  warn: (message: string) => void;
  now?: () => number;
};

export function createContext(options: ContextOptions): Context {
  const uid = process.geteuid?.() ?? 0;
  const usual = resolvePaths(options.env, uid);
  const paths = options.config === undefined ? usual : { ...usual, config: namedDirectory(options.config) };
  let db: Database | undefined;
  let host: HostMappings | undefined;
  let config: Config | undefined;
  return {
    env: options.env,
    uid,
    paths,
    get storageDriver() {
      if (options.storageDriver !== undefined) return options.storageDriver;
      config ??= readConfig(paths.config);
      return config.storageDriver;
    },
    get cgroupManager() {
      if (options.cgroupManager !== undefined) return options.cgroupManager;
      config ??= readConfig(paths.config);
      return config.cgroupManager;
    },
    get cgroupManagerTimeout() {
      config ??= readConfig(paths.config);
      return config.cgroupManagerTimeout;
    },
    isCgroupManagerAsked: options.cgroupManager !== undefined,
    get network() {
      config ??= readConfig(paths.config);
      return config.network;
    },
    get log() {
      config ??= readConfig(paths.config);
      return config.log;
    },
    now: options.now ?? Date.now,
    warn: options.warn,
    db: () => {
      if (!db && options.isGlance === true) {
        checkRuntimeDirectory(paths, uid); // locks and sockets in there are believed
        const { openToRead } = require("./database") as typeof import("./database");
        db = openToRead(paths.database);
      } else if (!db) {
        makePrivateDirectory(paths.data, uid);
        if (uid === 0 && !isUnshared()) shareAsRoot(paths.data);
        checkRuntimeDirectory(paths, uid);
        const { openDatabase } = require("./database") as typeof import("./database");
        db = openDatabase(paths.database);
      }
      return db;
    },
    host: () => {
      if (!host) {
        host = hostMappings();
        if (host.warning) options.warn(host.warning);
      }
      return host;
    },
  };
}

/** Root's data directory is open to the group of its containers' root only. Without subordinate ids there are none, and a start says so. */
function shareAsRoot(path: string): void {
  let gid: number | undefined;
  try {
    gid = hostMappings().mappings.gid.find(({ containerID }) => containerID === 0)?.hostID;
  } catch {
    return;
  }
  if (gid !== undefined) shareWithContainers(path, gid);
}

/** The usual directory need not be there; one that was named and is not is a mistake. */
function namedDirectory(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
  throw new EngineError("not-found", "read configuration", path, "there is no such directory");
}
