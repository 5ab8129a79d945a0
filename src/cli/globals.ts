import { EngineError } from "../error";
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

/**
 * The same in front of the verb, where --log-level has docker's short name (behind the verb -l is the verb's), and what stands only there:
 * verbs have options of these names.
 */
export const rootGlobals = {
  ...globalArgs,
  "log-level": { ...globalArgs["log-level"], alias: "l" },
  root: {
    type: "string",
    valueHint: "DIR",
    value: "directory",
    description: "Directory that everything is stored in",
    details: "Default: $XDG_DATA_HOME/proa, or ~/.local/share/proa.",
  },
  runroot: {
    type: "string",
    valueHint: "DIR",
    value: "directory",
    description: "Directory of what only lives as long as containers do",
    details: "Default: $XDG_RUNTIME_DIR/proa; with --root one beside it, which belongs to that store alone.",
  },
  host: { type: "string", alias: "H", valueHint: "HOST", hidden: true, description: "Refused: no server" },
  url: { type: "string", valueHint: "URL", hidden: true, description: "Refused: no server" },
  context: { type: "string", alias: "c", valueHint: "NAME", hidden: true, description: "Refused: no server" },
  connection: { type: "string", valueHint: "NAME", hidden: true, description: "Refused: no server" },
  remote: { type: "boolean", alias: "r", hidden: true, description: "Refused: no server" },
} as const satisfies Args;

/** The global options as typed values. */
export type Globals = {
  config: string | undefined;
  /** Undefined: warn. */
  logLevel: (typeof logLevels)[number] | undefined;
  cgroupManager: Values<typeof globalArgs>["cgroup-manager"];
  storageDriver: Values<typeof globalArgs>["storage-driver"];
  /** Directories in place of the usual ones, by the variable that tells children. */
  places?: { PROA_ROOT?: string; PROA_RUNROOT?: string };
};

export const noGlobals: Globals = {
  config: undefined,
  logLevel: undefined,
  cgroupManager: undefined,
  storageDriver: undefined,
};

/** From the names on the command line to the names in code. */
export function globalsOf(values: Values<typeof globalArgs> & Partial<Values<typeof rootGlobals>>): Globals {
  for (const name of ["host", "url", "context", "connection", "remote"] as const) {
    if (values[name] && !(name === "context" && values.context === "default"))
      throw refuseServer(`--${name}`);
  }
  const { root, runroot } = values;
  return {
    ...(root === undefined && runroot === undefined ? {} : { places: placesOf(root, runroot) }),
    config: values.config,
    logLevel: values["log-level"] ?? (values.debug ? "debug" : undefined),
    cgroupManager: values["cgroup-manager"],
    storageDriver: values["storage-driver"],
  };
}

function placesOf(root: string | undefined, runroot: string | undefined): NonNullable<Globals["places"]> {
  return {
    ...(root === undefined ? {} : { PROA_ROOT: root }),
    ...(runroot === undefined ? {} : { PROA_RUNROOT: runroot }),
  };
}

function refuseServer(option: string): EngineError {
  const why = "a command does its work itself, on this machine: there is no server that it could ask";
  return new EngineError("unsupported", "connect", option, why, {
    exitCode: 125,
    hint: "run proa on the other machine: ssh HOST proa ...",
  });
}
