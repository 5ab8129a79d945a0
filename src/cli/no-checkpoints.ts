/** Why a container cannot be frozen to files and come back from them. */
import { EngineError } from "../error";

/** Names what is missing on this host, all of it. */
export function noCheckpoints(what: string, on: string): EngineError {
  const missing: string[] = [];
  if (Bun.which("criu") === null) missing.push("the program criu is not installed");
  if (process.geteuid?.() !== 0)
    missing.push(
      "criu needs the rights of the host's root (CAP_SYS_ADMIN, CAP_CHECKPOINT_RESTORE), which a container of an ordinary user has not",
    );
  missing.push("proa does not drive criu");
  return new EngineError("unsupported", what, on, missing.join("; "), {
    exitCode: 1,
    hint: "proa commit and proa export keep a container's files; its processes cannot be kept",
  });
}

/** Options of both commands, so that a script's command line is answered with the reason and not with a usage error. */
export const checkpointArgs = {
  all: { type: "boolean", alias: "a", description: "All containers" },
  latest: { type: "boolean", alias: "l", description: "The newest container" },
  keep: { type: "boolean", alias: "k", description: "Keep temporary files" },
  compress: {
    type: "string",
    alias: "c",
    valueHint: "ALGORITHM",
    value: "none",
    description: "Compression of the archive",
  },
  export: { type: "string", alias: "e", valueHint: "FILE", value: "file", description: "Write an archive" },
  import: { type: "string", alias: "i", valueHint: "FILE", value: "file", description: "Read an archive" },
  "create-image": { type: "string", valueHint: "IMAGE", value: "none", description: "Write an image" },
  name: {
    type: "string",
    alias: "n",
    valueHint: "NAME",
    value: "none",
    description: "Name of the restored container",
  },
  publish: {
    type: "string",
    alias: "p",
    multiple: true,
    valueHint: "PORTS",
    value: "published-port",
    description: "Published ports",
  },
  pod: { type: "string", valueHint: "POD", value: "none", description: "Pod of the restored container" },
  "leave-running": { type: "boolean", alias: "R", description: "Let it run on" },
  "pre-checkpoint": { type: "boolean", alias: "P", description: "Write the memory only" },
  "with-previous": { type: "boolean", description: "Write what has changed since" },
  "import-previous": {
    type: "string",
    valueHint: "FILE",
    value: "file",
    description: "Read an archive of the memory, too",
  },
  "ignore-rootfs": { type: "boolean", description: "Without the changes of files" },
  "ignore-static-ip": { type: "boolean", description: "Another address" },
  "ignore-static-mac": { type: "boolean", description: "Another MAC address" },
  "ignore-volumes": { type: "boolean", description: "Without volumes" },
  "file-locks": { type: "boolean", description: "With file locks" },
  "tcp-established": { type: "boolean", description: "With TCP connections" },
  "tcp-close": { type: "boolean", description: "TCP connections closed" },
  "print-stats": { type: "boolean", description: "Print how long it took" },
  container: {
    type: "positional",
    rest: true,
    required: false,
    value: "container",
    description: "Name or id",
  },
} as const;

/** Arguments of docker's verbs: of which container, and where. */
export const ofContainer = {
  "checkpoint-dir": {
    type: "string",
    valueHint: "DIRECTORY",
    value: "directory",
    description: "Where checkpoints are",
  },
  container: { type: "positional", value: "container", description: "Name or id" },
} as const;

/** And of which checkpoint. */
export const ofCheckpoint = {
  ...ofContainer,
  checkpoint: {
    type: "positional",
    valueHint: "CHECKPOINT",
    value: "none",
    description: "Name of the checkpoint",
  },
} as const;
