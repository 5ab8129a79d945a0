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

/** A published port as it is asked for. `hostAddress` "": every one; `hostFirst` 0: any free port; of a range the first free one. */
export type PortPlan = {
  protocol: "tcp" | "udp";
  hostAddress: string;
  hostFirst: number;
  hostLast: number;
  containerPort: number;
};

/** A line of `ports.json` in the run directory: a published port that is open. */
export type LivePort = {
  protocol: "tcp" | "udp";
  hostAddress: string;
  hostPort: number;
  containerPort: number;
};

/** What the supervisor needs to connect the container to netd. */
export type NetworkRequest = {
  /** Path of `network.json`. */
  plan: string;
  socket: string;
  lock: string;
  /** The host's. */
  resolvConf: string;
  /** Subnets that no container reaches. */
  deny: string[];
  required: boolean;
};

/** A network of slirp4netns or pasta. `args` come before those that the helper adds. */
export type UsernetRequest = {
  kind: "slirp4netns" | "pasta";
  program: string;
  args: string[];
  /** For slirp4netns, which is told over its socket; pasta has them in `args`. */
  ports: LivePort[];
  /** Where they lead to. */
  guestAddress: string;
};

/** What netd finds on this kernel. */
export type NetdFeatures = {
  /** Without it netd passes nothing on to the outside. */
  tproxy: boolean;
  /** Whether a connection can wait for the answer of its peer. */
  hold: boolean;
  ipv6: boolean;
  echo4: boolean;
  echo6: boolean;
  /** What is missing, and why. */
  why: string[];
};

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
  /** Absent: nothing is connected to netd. */
  network?: NetworkRequest;
  /** Absent: no program makes the network. */
  usernet?: UsernetRequest;
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

/** What netd tells of itself and of those connected; counters are the container's. */
export type NetdStatus = {
  pid: number;
  features: NetdFeatures;
  /** Proportional memory of its processes; 0 where it is not told. */
  pssBytes: number;
  containers: { id: string; name: string; endpoints: EndpointStatus[]; ports: LivePort[] }[];
};

export type EndpointStatus = {
  /** Id. */
  network: string;
  interface: string;
  ipv4: string | null;
  ipv6: string | null;
  rxBytes: number;
  rxPackets: number;
  rxErrors: number;
  rxDropped: number;
  txBytes: number;
  txPackets: number;
  txErrors: number;
  txDropped: number;
};
