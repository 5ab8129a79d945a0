/** The user's settings: `config.toml` in the directory of configuration. What there is to set stands in `config-keys.ts`. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";

export type Config = {
  storageDriver: string | undefined;
  cgroupManager: CgroupManagerName | undefined;
  /** Seconds that systemd has to answer; undefined: the helper decides. */
  cgroupManagerTimeout: number | undefined;
  network: NetworkConfig;
  log: LogDefaults;
};

/** Who makes the control groups of containers: systemd, or proa itself in a directory that is the user's. */
export type CgroupManagerName = "systemd" | "cgroupfs";

/** The table `[log]`: the log of containers that do not say otherwise. */
export type LogDefaults = {
  driver: string;
  /** Of that driver. */
  options: Record<string, string>;
  /** Where systemd's journal listens. */
  journaldSocket: string;
};

/** The table `[network]`. Addresses are as they were written: src/network reads them. */
export type NetworkConfig = {
  /** Subnet of the default network; undefined: the first one that the host has no route to. */
  defaultSubnet: string | undefined;
  /** Where subnets of networks are taken from: parts of `size` bits out of `base`; empty: proa's own. */
  subnetPools: { base: string; size: number }[];
  /** Whether the default network has IPv6. */
  ipv6: boolean;
  /** Of networks that do not say; bytes. */
  mtu: number;
  /** Subnets outside that no container reaches. */
  deny: string[];
  /** Whether every container reaches the host's loopback at the host's name. */
  hostLoopback: boolean;
};

const usualNetwork: NetworkConfig = {
  defaultSubnet: undefined,
  subnetPools: [],
  ipv6: true,
  mtu: 1500,
  deny: [],
  hostLoopback: false,
};

const usualLog: LogDefaults = {
  driver: "json-file",
  options: {},
  journaldSocket: "/run/systemd/journal/socket",
};

const limitBytes = 1 << 20;

/** The file with the settings of a directory of configuration. */
export const configFile = (directory: string): string => join(directory, "config.toml");

/**
 * Read the settings in DIRECTORY; all are unset where there is no file. What is not a setting is an error: a slip of the pen must not pass for the default.
 *
 * @throws EngineError `invalid`, `io`
 */
export function readConfig(directory: string): Config {
  const path = configFile(directory);
  const fail = (why: unknown, hint?: string) =>
    new EngineError("invalid", "read configuration", path, why, { hint });
  const text = readText(path);
  if (text === null)
    return {
      storageDriver: undefined,
      cgroupManager: undefined,
      cgroupManagerTimeout: undefined,
      network: usualNetwork,
      log: usualLog,
    };
  let settings: Record<string, unknown>;
  try {
    settings = Bun.TOML.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw fail(`it is not TOML: ${error instanceof Error ? error.message : error}`);
  }
  const { configKeys, isTable } = require("./config-keys") as typeof import("./config-keys");
  const given = new Map<string, unknown>();
  const tables = new Set(
    configKeys.flatMap(({ key }) => (key.includes(".") ? [key.split(".")[0] ?? ""] : [])),
  );
  for (const [name, value] of Object.entries(settings)) {
    if (!tables.has(name)) {
      if (name.includes(".")) throw unknownKey(name, configKeys, tables, fail); // a name in quotes is no table
      given.set(name, value);
      continue;
    }
    if (!isTable(value)) throw fail(`${name} is not a table`, `write [${name}] above its settings`);
    for (const [key, each] of Object.entries(value)) given.set(`${name}.${key}`, each);
  }
  for (const [key, value] of given) {
    const known = configKeys.find((each) => each.key === key);
    if (known === undefined) throw unknownKey(key, configKeys, tables, fail);
    if (!known.is(value)) throw fail(`${key} is not ${known.kind}`, known.hint);
  }
  // The table has said what each value is; only its absence is left to decide here.
  const of = <T>(key: string, usual: T): T => (given.has(key) ? (given.get(key) as T) : usual);
  return {
    storageDriver: of<string | undefined>("storage-driver", undefined),
    cgroupManager: of<CgroupManagerName | undefined>("cgroup-manager", undefined),
    cgroupManagerTimeout: of<number | undefined>("cgroup-manager-timeout", undefined),
    network: {
      defaultSubnet: of("network.default-subnet", usualNetwork.defaultSubnet),
      subnetPools: of("network.subnet-pools", usualNetwork.subnetPools),
      ipv6: of("network.ipv6", usualNetwork.ipv6),
      mtu: of("network.mtu", usualNetwork.mtu),
      deny: of("network.deny", usualNetwork.deny),
      hostLoopback: of("network.host-loopback", usualNetwork.hostLoopback),
    },
    log: {
      driver: of("log.driver", usualLog.driver),
      options: of("log.options", usualLog.options),
      journaldSocket: of("log.journald-socket", usualLog.journaldSocket),
    },
  };
}

type Fail = (why: unknown, hint?: string) => EngineError;

function unknownKey(
  key: string,
  known: readonly { key: string }[],
  tables: ReadonlySet<string>,
  fail: Fail,
): EngineError {
  const table = key.includes(".") ? `${key.split(".")[0]}.` : "";
  const names = known.map((each) => each.key).filter((each) => each.startsWith(table));
  const near = table === "" ? [...names.filter((each) => !each.includes(".")), ...tables] : names;
  return fail(`unknown setting ${JSON.stringify(key)}`, `the settings are: ${near.join(", ")}`);
}

function readText(path: string): string | null {
  try {
    const stat = statSync(path, { throwIfNoEntry: false }); // an error that is made to be caught costs each command more than the file
    if (stat === undefined) return null;
    if (stat.size > limitBytes)
      throw new EngineError("invalid", "read configuration", path, `it is longer than ${limitBytes} bytes`);
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error instanceof EngineError ? error : new EngineError("io", "read configuration", path, error);
  }
}
