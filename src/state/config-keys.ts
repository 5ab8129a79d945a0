/**
 * Every setting of `config.toml`, once: `config.ts` reads by this table and proa.toml(5) is made of it. A new setting is a line here and a field of `Config`.
 * It is loaded where there is a file to read, and no earlier.
 */

export type ConfigKey = {
  /** The table and the name in it, parted by a dot; without a table: the name. */
  readonly key: string;
  /** What the value is, in words that fit behind "is not". */
  readonly kind: string;
  readonly is: (value: unknown) => boolean;
  /** What counts where the setting is absent, as people read it. */
  readonly usual: string;
  /** Sentences for the man page. */
  readonly meaning: string;
  /** The value of an example, as it is written in the file. */
  readonly example: string;
  /** What to write instead of a value that does not fit. */
  readonly hint?: string;
};

/** The tables of the file, in the order of the man page; "" is what stands above them all. */
export const configTables: readonly { readonly name: string; readonly meaning: string }[] = [
  { name: "", meaning: "They stand in front of the first table" },
  { name: "network", meaning: "Networks that proa makes, and what containers reach" },
  { name: "log", meaning: "The log of containers that do not say otherwise" },
];

/** A date is an object, too, and no table. */
export const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" &&
  value !== null &&
  [Object.prototype, null].includes(Object.getPrototypeOf(value));
const isText = (value: unknown): value is string => typeof value === "string";
const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
const isWholeBetween = (least: number, most: number) => (value: unknown) =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
const isPool = (value: unknown): boolean =>
  isTable(value) &&
  isText(value.base) &&
  Number.isInteger(value.size) &&
  Object.keys(value).every((key) => key === "base" || key === "size");

export const configKeys: readonly ConfigKey[] = [
  {
    key: "storage-driver",
    kind: "a text in quotes",
    is: isText,
    usual: "what works here, tried once and remembered",
    meaning:
      "How layers and containers are stored: overlay, fuse-overlayfs or vfs. The option --storage-driver is stronger.",
    example: '"overlay"',
  },
  {
    key: "cgroup-manager",
    kind: '"systemd" or "cgroupfs"',
    is: (value) => value === "systemd" || value === "cgroupfs",
    usual: "what works here",
    meaning:
      "Who makes the control groups of containers: systemd, a scope for each by the user's service manager; cgroupfs, proa itself in a directory that belongs to the user. The option --cgroup-manager is stronger.",
    example: '"systemd"',
  },
  {
    key: "cgroup-manager-timeout",
    kind: "a number from 1 to 3600",
    is: isWholeBetween(1, 3600),
    usual: "25",
    meaning:
      "Seconds that the user's service manager has to answer for a container's scope. After that the container starts without a control group, with a warning; where the manager was asked for by name it does not start.",
    example: "60",
  },
  {
    key: "network.default-subnet",
    kind: "a text in quotes",
    is: isText,
    usual: "the first pool's first subnet that the host has no route to",
    meaning: "Subnet of the default network, in CIDR notation. It counts when that network is made.",
    example: '"10.201.0.0/16"',
  },
  {
    key: "network.subnet-pools",
    kind: "a list of { base = SUBNET, size = BITS }",
    is: (value) => Array.isArray(value) && value.every(isPool),
    usual: "proa's own pools of private addresses",
    meaning:
      "Where subnets of networks are taken from that are made without --subnet: parts with a prefix of size bits out of base.",
    example: '[{ base = "10.64.0.0/12", size = 24 }]',
  },
  {
    key: "network.ipv6",
    kind: "true or false",
    is: isBoolean,
    usual: "true",
    meaning: "Whether the default network has IPv6 beside IPv4.",
    example: "false",
  },
  {
    key: "network.mtu",
    kind: "a number from 1280 to 65535", // IPv6 needs 1280, RFC 8200
    is: isWholeBetween(1280, 65535),
    usual: "1500",
    meaning: "Largest packet, in bytes, on networks that do not say otherwise with --opt mtu.",
    example: "9000",
  },
  {
    key: "network.deny",
    kind: "a list of subnets in quotes",
    is: (value) => Array.isArray(value) && value.every(isText),
    usual: "[]",
    meaning:
      "Subnets and addresses outside that no container of a bridge network reaches. It counts from a container's next start on.",
    example: '["169.254.169.254/32", "192.168.0.0/16"]',
  },
  {
    key: "network.host-loopback",
    kind: "true or false",
    is: isBoolean,
    usual: "false",
    meaning:
      "Whether containers reach what listens on the host's loopback only, at the name host.containers.internal (or host.docker.internal). It counts from a container's next start on.",
    example: "true",
  },
  {
    key: "log.driver",
    kind: "a text in quotes",
    is: isText,
    usual: "json-file",
    meaning:
      "Log driver of containers made without --log-driver: json-file, local, journald, k8s-file or none.",
    example: '"local"',
  },
  {
    key: "log.options",
    kind: "a table of texts in quotes",
    is: (value) => isTable(value) && Object.values(value).every(isText),
    usual: "none",
    meaning: "Options of that driver, as --log-opt has them. Sizes have a unit: k, m or g.",
    example: '{ max-size = "10m", max-file = "3" }',
    hint: '[log.options] and below it max-size = "10m"',
  },
  {
    key: "log.journald-socket",
    kind: "an absolute path",
    is: (value) => isText(value) && value.startsWith("/"),
    usual: "/run/systemd/journal/socket",
    meaning:
      "Where the journal listens that the driver journald writes to, such as that of a namespace of systemd-journald(8).",
    example: '"/run/systemd/journal.containers/socket"',
  },
];
