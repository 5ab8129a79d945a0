import type { Args, Values } from "./tree";

/** podman's. */
const logLevels = ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"] as const;

/** Options of `proa` itself. They stand before the verb, and after it where the command has no such option of its own. */
export const globalArgs = {
  config: {
    type: "string",
    valueHint: "DIR",
    value: "directory",
    description: "Directory of proa's configuration files",
    details: "Default: $XDG_CONFIG_HOME/proa, or ~/.config/proa.",
  },
  "cgroup-manager": {
    type: "string",
    valueHint: "MANAGER",
    value: { oneOf: ["systemd", "cgroupfs"] },
    description: "Who makes the control groups of containers",
    details:
      "systemd: the user's service manager, a scope for each container. cgroupfs: proa, in a directory that belongs to the user. Default: cgroup-manager in config.toml, else what works here.",
  },
  color: {
    type: "string",
    valueHint: "WHEN",
    value: { oneOf: ["auto", "always", "never"] },
    hiddenNames: ["colour"],
    description: "Whether output is coloured",
    details:
      "auto: on a terminal that can, unless NO_COLOR is set; CLICOLOR_FORCE has it coloured in a pipe, too.",
  },
  debug: {
    type: "boolean",
    alias: "D",
    description: "Tell what is done and how long it takes, and of an error all that is known",
    details: "The same as --log-level debug.",
  },
  "log-level": {
    type: "string",
    valueHint: "LEVEL",
    value: { oneOf: logLevels },
    description: "How much is told on stderr",
    details:
      "trace: every statement of the database and all of debug. debug: every call of the helper, every request to a registry and every wait for a lock with the time it took, and of an error its stack and all known facts. info: when the command began and ended. warn: warnings; this is the default. error, fatal, panic: errors alone.",
  },
  "storage-driver": {
    type: "string",
    valueHint: "DRIVER",
    value: { oneOf: ["overlay", "fuse-overlayfs", "vfs"] },
    description: "How layers and containers are stored",
    details: "Default: storage-driver in config.toml, else what works here, tried once and remembered.",
  },
} as const satisfies Args;

/** The same in front of the verb, where --log-level has docker's short name: behind the verb -l is the verb's. */
export const rootGlobals = {
  ...globalArgs,
  "log-level": { ...globalArgs["log-level"], alias: "l" },
} as const satisfies Args;

/** The global options as typed values. */
export type Globals = {
  config: string | undefined;
  /** Undefined: warn. */
  logLevel: (typeof logLevels)[number] | undefined;
  cgroupManager: Values<typeof globalArgs>["cgroup-manager"];
  storageDriver: Values<typeof globalArgs>["storage-driver"];
};

/** From the names on the command line to the names in code. */
export function globalsOf(values: Values<typeof globalArgs>): Globals {
  return {
    config: values.config,
    logLevel: values["log-level"] ?? (values.debug ? "debug" : undefined),
    cgroupManager: values["cgroup-manager"],
    storageDriver: values["storage-driver"],
  };
}
