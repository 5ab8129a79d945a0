import type { Args, Values } from "./tree";

/** Options of `proa` itself. They stand before the verb, and after it where the command has no such option of its own. */
export const globalArgs = {
  config: {
    type: "string",
    valueHint: "DIR",
    value: "directory",
    description: "Directory of proa's configuration files",
    details: "Default: $XDG_CONFIG_HOME/proa, or ~/.config/proa.",
  },
  debug: {
    type: "boolean",
    alias: "D",
    description: "Print the stack and all known facts of an error",
  },
  "storage-driver": {
    type: "string",
    valueHint: "DRIVER",
    value: { oneOf: ["overlay", "fuse-overlayfs", "vfs"] },
    description: "How layers and containers are stored",
    details: "Default: storage-driver in config.toml, else what works here, tried once and remembered.",
  },
} as const satisfies Args;

/** The global options as typed values. */
export type Globals = {
  config: string | undefined;
  debug: boolean;
  storageDriver: Values<typeof globalArgs>["storage-driver"];
};

/** From the names on the command line to the names in code. */
export function globalsOf(values: Values<typeof globalArgs>): Globals {
  return { config: values.config, debug: values.debug, storageDriver: values["storage-driver"] };
}
