/** The user's settings: `config.toml` in the directory of configuration. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";

export type Config = { storageDriver: string | undefined; network: NetworkConfig; log: LogDefaults };

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

const keys = ["storage-driver", "network", "log"] as const;
const logKeys = ["driver", "options", "journald-socket"] as const;
const networkKeys = ["default-subnet", "subnet-pools", "ipv6", "mtu", "deny", "host-loopback"] as const;

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

/**
 * Read the settings in DIRECTORY; all are unset where there is no file. What is not a setting is an error: a slip of the pen must not pass for the default.
 *
 * @throws EngineError `invalid`, `io`
 */
export function readConfig(directory: string): Config {
  const path = join(directory, "config.toml");
  const fail = (why: unknown, hint?: string) =>
    new EngineError("invalid", "read configuration", path, why, { hint });
  const text = readText(path);
  if (text === null) return { storageDriver: undefined, network: usualNetwork, log: usualLog };
  let settings: Record<string, unknown>;
  try {
    settings = Bun.TOML.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw fail(`it is not TOML: ${error instanceof Error ? error.message : error}`);
  }
  checkKeys(settings, keys, "", fail);
  const driver = settings["storage-driver"];
  if (driver !== undefined && typeof driver !== "string")
    throw fail("storage-driver is not a text in quotes");
  return {
    storageDriver: driver,
    network: networkOf(settings.network, fail),
    log: logOf(settings.log, fail),
  };
}

type Fail = (why: unknown, hint?: string) => EngineError;

function checkKeys(table: object, known: readonly string[], prefix: string, fail: Fail): void {
  const unknown = Object.keys(table).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const names = known.map((key) => `${prefix}${key}`).join(", ");
  throw fail(`unknown setting ${JSON.stringify(`${prefix}${unknown}`)}`, `the settings are: ${names}`);
}

function networkOf(value: unknown, fail: Fail): NetworkConfig {
  if (value === undefined) return usualNetwork;
  if (!isTable(value)) throw fail("network is not a table", "write [network] above its settings");
  checkKeys(value, networkKeys, "network.", fail);
  const read = <T>(
    key: (typeof networkKeys)[number],
    is: (each: unknown) => each is T,
    usual: T,
    kind: string,
  ): T => {
    const each = value[key];
    if (each === undefined) return usual;
    if (!is(each)) throw fail(`network.${key} is not ${kind}`);
    return each;
  };
  return {
    defaultSubnet: read("default-subnet", isText, usualNetwork.defaultSubnet, "a text in quotes"),
    subnetPools: read("subnet-pools", isPools, [], "a list of { base = SUBNET, size = BITS }"),
    ipv6: read("ipv6", isBoolean, usualNetwork.ipv6, "true or false"),
    mtu: read("mtu", isMtu, usualNetwork.mtu, "a number from 1280 to 65535"), // IPv6 needs 1280, RFC 8200
    deny: read("deny", isTexts, [], "a list of subnets in quotes"),
    hostLoopback: read("host-loopback", isBoolean, usualNetwork.hostLoopback, "true or false"),
  };
}

function logOf(value: unknown, fail: Fail): LogDefaults {
  if (value === undefined) return usualLog;
  if (!isTable(value)) throw fail("log is not a table", "write [log] above its settings");
  checkKeys(value, logKeys, "log.", fail);
  const {
    driver = usualLog.driver,
    options = {},
    "journald-socket": socket = usualLog.journaldSocket,
  } = value;
  if (typeof driver !== "string") throw fail("log.driver is not a text in quotes");
  if (!isTable(options) || !Object.values(options).every((each) => typeof each === "string"))
    throw fail(
      "log.options is not a table of texts in quotes",
      '[log.options] and below it max-size = "10m"',
    );
  if (typeof socket !== "string" || !socket.startsWith("/"))
    throw fail("log.journald-socket is not an absolute path");
  return { driver, options: options as Record<string, string>, journaldSocket: socket };
}

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string | undefined => typeof value === "string";
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
const isMtu = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 1280 && (value as number) <= 65535;
const isPools = (value: unknown): value is { base: string; size: number }[] =>
  Array.isArray(value) &&
  value.every((each) => isTable(each) && typeof each.base === "string" && Number.isInteger(each.size)) &&
  value.every((each) => Object.keys(each).length === 2);

function readText(path: string): string | null {
  try {
    if (statSync(path).size > limitBytes)
      throw new EngineError("invalid", "read configuration", path, `it is longer than ${limitBytes} bytes`);
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error instanceof EngineError ? error : new EngineError("io", "read configuration", path, error);
  }
}
