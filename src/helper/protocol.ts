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

/** Where layers that are on their way are described, where they will appear, and who fetches what is needed at once. */
export type LazyLayers = {
  directory: string;
  layers: string;
  socket: string;
  /** How another is started where that one is gone: a program with its arguments, and what it is told on its stdin. */
  fetcher: { args: string[]; request: string };
};

export type Rootfs =
  | {
      driver: "overlay";
      lower: string[];
      upper: string;
      work: string;
      volatile: boolean;
      data?: string[];
      /** Layers of `lower` may be missing: they are on their way, and served by their tables of contents. */
      lazy?: LazyLayers;
    }
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

export type LogTarget = {
  driver: "json-file" | "k8s-file" | "journald";
  /** "" for journald. */
  path: string;
  /** 0: no rotation. */
  maxSizeBytes: number;
  maxFiles: number;
  compress?: boolean;
  /** Stands in each record of json-file. */
  attributes?: Record<string, string>;
  /** Of each entry of the journal. */
  fields?: Record<string, string>;
  /** Where the journal listens. */
  socket?: string;
  /** The journal is not waited for. */
  nonBlocking?: boolean;
  /** Room for what waits for it. */
  bufferBytes?: number;
};

export type LogSource = {
  driver: LogTarget["driver"];
  path: string;
  runDir: string;
  maxFiles: number;
  /** Stands before each line. */
  prefix: string;
  /** Of journald: the program that reads the journal, and the container's full id. */
  journalctl?: string;
  id?: string;
};

export type Moment = { seconds: number; nanoseconds: number };

export type LogsRequest = {
  proa: string;
  sources: LogSource[];
  follow: boolean;
  /** Lines from the end; negative: all. */
  tail: number;
  since: Moment | null;
  until: Moment | null;
  timestamps: boolean;
  details: boolean;
};

/** When its supervisor starts it again by itself. `maximum`: of on-failure; 0: no limit. */
export type RestartRequest = { policy: "always" | "unless-stopped" | "on-failure"; maximum: number };

/** How long a container lives, and how often. */
export type LifeRequests = {
  /** Absent: once. */
  restart?: RestartRequest;
  /** Absent: no limit. Of each life, and from the signal to KILL. */
  timeLimit?: { afterMs: number; graceMs: number; signal: number };
};

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

/** Where the supervisor, and the process of `exec`, write the events of the container. `attributes`: image and labels; `name` beside them. */
export type JournalRequest = {
  path: string;
  name: string;
  attributes: Record<string, string>;
};

/** A program that the supervisor runs in the container again and again. `intervalMs` 0: only when it is asked for. */
export type HealthRequest = {
  process: OciProcess;
  intervalMs: number;
  timeoutMs: number;
  startPeriodMs: number;
  startIntervalMs: number;
  retries: number;
  onFailure: "none" | "kill" | "restart" | "stop";
  stopSignal: number;
  stopTimeoutMs: number;
  /** 0: no limit. */
  logCount: number;
  logSizeBytes: number;
  /** A further place for health.json. */
  logFile?: string;
  logEvents?: boolean;
  /** The service manager that is told when it is healthy for the first time. */
  notifySocket?: string;
  /** Runs in place of the other until it has succeeded `successes` times; `retries` 0: it may fail for ever. */
  startup?: {
    process: OciProcess;
    intervalMs: number;
    timeoutMs: number;
    retries: number;
    successes: number;
  };
};

/**
 * The control group that a container is made in; absent: none. Its limits stand in the bundle. `required`: where it cannot be made the start fails,
 * else the container runs without. `alone`: the supervisor stays where it is. `patienceMs`: for all answers of the
 * manager; absent: the helper's own 25 s.
 */
export type CgroupRequest = (
  | { manager: "systemd"; bus: string; scope: string; slice: string; patienceMs?: number }
  /** Below `parent`. `split`: it is the group of this process, and the supervisor goes to its group `supervisor`. */
  | { manager: "cgroupfs"; parent: string; name: string; split: boolean }
  /** Directories by the controllers' names of version 1. */
  | { manager: "v1"; parents: Record<string, string>; name: string }
) & { required?: true; alone?: true };

export type RunRequest = LifeRequests & {
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
  /** Whose ids own what is in `remove`, where they are more than the container's. */
  owners?: Mappings;
  /** The container has the standard streams of this process, and nobody is between. */
  passthrough?: true;
  /** Absent: no events are written. */
  journal?: JournalRequest;
  /** An init is the first process; its path where it is not proa's own. */
  init?: boolean;
  initPath?: string;
  /** Absent: nothing is checked. */
  health?: HealthRequest;
  /** Open descriptors of this process's that the container's first process gets, in order, from 3 on. */
  preserveFds?: number[];
  /** Files that get the number of the first process, and of the supervisor. */
  pidFile?: string;
  supervisorPidFile?: string;
  /** The service manager's socket, which is told of the start. */
  notify?: { socket: string; ready: boolean };
  /** Absent: it is in the group of this process. */
  cgroup?: CgroupRequest;
  /** With other ids than the usual ones, which these are: the group is given to the container's root, who may divide it. */
  groupOwners?: Mappings;
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
  /** Of the container. */
  id?: string;
  journal?: JournalRequest;
  /** As in RunRequest. */
  preserveFds?: number[];
  /** Kept as runDir/exec/ID.json while the container lives, with Pid, Running and ExitCode. Absent: nothing is kept. */
  session?: { id: string; record: Record<string, unknown> };
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

/** A root file system to look at from outside, see `native/files.h`. */
export type FilesRoot =
  /** With mappings: as root of a user namespace that has them. */
  | { kind: "host"; mappings: Mappings | null }
  /** `path`: of the root in the mount namespace of the process `pid`. `onlyRoot`: without what is mounted below it. */
  | { kind: "running"; pid: number; path: string; onlyRoot: boolean }
  /** `mounts`: of its config.json, those that show files; `target`: where the root is mounted. */
  | {
      kind: "stopped";
      bundle: string;
      target: string;
      rootfs: Rootfs;
      mounts: unknown[];
      mappings: Mappings;
      onlyRoot: boolean;
      readonly: boolean;
    };

export type FilesRequest = { root: FilesRoot; mappings: Mappings; oneMount: boolean };

/** What is at a path. `mode` with the bits of its type; `link`: the target of a symbolic link. */
export type SeenFile = {
  mode: number;
  sizeBytes: number;
  mtimeMs: number;
  uid: number;
  gid: number;
  link: string | null;
};

/** An archive that was written. The digests are "" where none were asked for. */
export type Packed = {
  entries: number;
  /** Of the tar. */
  sizeBytes: number;
  /** Of what came out behind the compressor. */
  storedBytes: number;
  diffId: string;
  digest: string;
};

export type Unpacked = { entries: number; sizeBytes: number; skippedDevices: number };

/** What a container has changed. The answer's `entries` are the changes. */
export type LayerDiffRequest = {
  upper: string;
  /** What it is compared with, top first. */
  lower: string[];
  /** Where the data of these is, where they have none. */
  data?: string[];
  /** An empty directory. */
  target: string;
  /** Destinations of its mounts. */
  mounts: string[];
  /** `upper` is an overlay's; else a whole tree. */
  overlay: boolean;
  /** "C/path", "A/path", "D/path", each with a NUL behind it, in place of a layer. */
  list: boolean;
  gzip: boolean;
  /** Without the times of directories and whiteouts: those that a layer does not name have the time of their making. */
  comparable?: true;
  dataFd: number;
  mappings: Mappings;
};

/** Mounts it at `target`, in the namespaces of this process. `readonly`: also where it is mounted elsewhere. */
export type MountRootRequest = { rootfs: Rootfs; target: string; readonly: boolean };

/** Have files of `layer` share extents with their likes in `others`. */
export type LayerShareRequest = { layer: string; others: string[]; mappings: Mappings };

export type RemoveTreeRequest = { paths: string[]; mappings: Mappings };

export type CopyTreeRequest = {
  from: string;
  to: string;
  mappings: Mappings;
  change?: TreeChange;
  /** In place of `from`: these, merged, top first. */
  layers?: string[];
};

/** Other owners for a copy: `containerID` is what they are, `hostID` what they become, both in the ids of the mappings. */
export type TreeChange = {
  owners: Mappings;
  /** For whom file capabilities hold, and who gets what `owners` does not name. */
  rootUid: number;
  rootGid: number;
  /** `redirect`: without data, which overlay finds in a data layer; `redirect-public`: only where everybody may read it. */
  data: "copy" | "redirect" | "redirect-public";
};

/** Give a directory and all that is in it to these ids of the namespace. */
export type ChownTreeRequest = { path: string; uid: number; gid: number; mappings: Mappings };

/** Bytes of the files below a directory. */
export type TreeSizeRequest = { path: string; mappings: Mappings };

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
  /** These are absent in records of older versions. */
  oomKilled?: boolean;
  restartCount?: number;
  health?: LiveHealth | null;
};

/** What the health checks have found. */
export type LiveHealth = { status: "starting" | "healthy" | "unhealthy"; failingStreak: number };

/** `state.json` in the run directory. */
export type StateRecord = {
  ociVersion: string;
  id: string;
  status: "running" | "paused" | "restarting";
  /** Of the first process; 0 while restarting. */
  pid: number;
  bundle: string;
  /** Of this life, or while restarting of the last one. */
  startedMs: number;
  restartCount: number;
  /** Null: there are no checks. */
  health: LiveHealth | null;
  /** Directory of its control group of version 2; absent or "": it has none of its own. */
  cgroup?: string;
  /** Those of version 1, by controller. */
  cgroups?: Record<string, string>;
  /** While restarting: how and when the last life ended. */
  exitCode?: number;
  finishedMs?: number;
};

/** These run directories, or all in this one. */
export type UsageRequest = { runDirs: readonly string[] | string };

/** Of those whose state.json names a process, by id, at a moment of the monotonic clock. */
export type UsageReply<Of = UsageRecord> = { atMicroseconds: number; containers: Record<string, Of> };

/** What a container has used up to a moment. */
export type UsageRecord = {
  /** Of this life. */
  startedMs: number;
  /** Whether its group has counted the CPU's time, from the start on. */
  isOfGroup: boolean;
  /** Of its group; else of its processes and of their children that have ended. */
  cpuMicroseconds: number;
  /** 0 where it has no group. */
  systemMicroseconds: number;
  /** Without inactive cache; of processes their proportional set size. */
  memoryBytes: number;
  /** 0: it has none. */
  memoryLimitBytes: number;
  /** Threads where its group counts them. */
  processes: number;
  /** Read from disks and written to them; without a group by the processes that live. */
  disk: { readBytes: number; writtenBytes: number };
};

/** Pids in our own numbering. */
export type MembersRecord = { first: number; pids: number[] };

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
