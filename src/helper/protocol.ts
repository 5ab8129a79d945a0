/**
 * The records that cross the seam to the C helper. `native/PROTOCOL.md` is their contract: what each verb does with them,
 * what it answers and in which order. A change here is a change there and in `native/request.c`.
 */

/** What failed in the helper: the step, the object it was tried on, and why. */
export type Facts = {
  step: string;
  object: string;
  /** Symbolic errno ("EPERM"), or "" where the reason is not a system call's. */
  errno: string;
  /** Further words, or "". */
  detail: string;
  /** Exit status of the command: 125, 126 or 127. */
  exit: number;
};

/** One line of an id map, as `linux.uidMappings` of the OCI runtime spec has it. */
export type IdMapping = { containerID: number; hostID: number; size: number };

export type Mappings = { uid: IdMapping[]; gid: IdMapping[] };

export type Rootfs =
  | { driver: "overlay"; lower: string[]; upper: string; work: string; volatile: boolean }
  | { driver: "overlay"; lower: string[]; tmpfs: true }
  | { driver: "fuse-overlayfs"; program: string; lower: string[]; upper: string; work: string }
  | { driver: "plain"; path: string };

export type Attach = {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Bytes of the detach sequence; empty: none. */
  detachKeys: number[];
  sigProxy: boolean;
};

export type LogTarget = { path: string; maxSizeBytes: number; maxFiles: number };

export type RunRequest = {
  id: string;
  proa: string;
  bundle: string;
  runDir: string;
  lockFd: number;
  rootfs: Rootfs;
  runtime: string | null;
  log: LogTarget | null;
  stdin: boolean;
  stdinOnce: boolean;
  attach: Attach | null;
  printId: boolean;
  remove: string[];
  exitFile: string;
  seccompCache: string | null;
};

export type AttachRequest = {
  proa: string;
  runDir: string;
  attach: Attach;
  terminal: boolean;
};

/** `process` of the OCI runtime spec, as far as proa fills it in. */
export type OciProcess = {
  terminal: boolean;
  user: { uid: number; gid: number; additionalGids?: number[]; umask?: number };
  args: string[];
  env: string[];
  cwd: string;
  capabilities?: {
    bounding: string[];
    effective: string[];
    permitted: string[];
    inheritable?: string[];
    ambient?: string[];
  };
  rlimits?: { type: string; soft: number; hard: number }[];
  noNewPrivileges: boolean;
  oomScoreAdj?: number;
  consoleSize?: { height: number; width: number };
};

export type ExecRequest = {
  proa: string;
  runDir: string;
  bundle: string;
  process: OciProcess;
  stdin: boolean;
  detach: boolean;
  attach: Attach | null;
  seccompCache: string | null;
};

export type LayerApplyRequest = {
  layerFd: number;
  compression: "auto" | "none" | "gzip" | "zstd";
  target: string;
  whiteouts: "overlay" | "delete";
  /** Expected digest of the uncompressed tar, "" for none. */
  diffId: string;
  mappings: Mappings;
  squashOwners: boolean;
};

export type LayerApplyReply = {
  diffId: string;
  sizeBytes: number;
  entries: number;
  skippedDevices: number;
};

export type RemoveTreeRequest = { paths: string[]; mappings: Mappings };

export type CopyTreeRequest = { from: string; to: string; mappings: Mappings };

export type FeaturesRequest = { mappings: Mappings; scratch: string };

/** A null says that it works here; facts say why not. */
export type Features = {
  userNamespace: Facts | null;
  overlay: Facts | null;
  overlayLowerdirAppend: boolean;
  seccomp: boolean;
  cgroupVersion: 1 | 2;
  mappings: "range" | "single";
};

export type UnshareRequest = { proa: string; mappings: Mappings; args: string[] };

/** `exit.json`, written by the supervisor. */
export type ExitRecord = {
  exitCode: number;
  signal: number;
  startedMs: number;
  finishedMs: number;
  /** Bytes of output that the log could not take (a full disk). */
  logLostBytes: number;
  error: Facts | null;
};

/** `state.json` in the run directory. */
export type StateRecord = {
  ociVersion: string;
  id: string;
  status: "running";
  pid: number;
  bundle: string;
  startedMs: number;
};
