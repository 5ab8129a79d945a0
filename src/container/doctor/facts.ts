/**
 * What `proa doctor` knows of the host. All of it is read once, by `read.ts`; a check is a function of this record alone, so that a host that
 * lacks something is a record in a test.
 */
import type { Features, NetdFeatures } from "../../helper";
import type { CgroupFacts } from "../cgroup-facts";

/** What was read, or why it could not be, with what to do about it. */
export type Attempt<T> = { ok: T } | { failed: string; hint: string | undefined };

/** A directory of proa's, or the place on the way to it that is there. */
export type PlaceFacts = {
  path: string;
  /** What is mounted there, proc_pid_mountinfo(5). */
  fileSystem: string;
  /** Of the mount and of the file system: "ro", "noexec", "nosuid" … */
  options: readonly string[];
  freeBytes: number;
  totalBytes: number;
  freeInodes: number;
  /** 0 where the file system has no fixed number of them. */
  totalInodes: number;
  /** Why it cannot be made or written in; "" where it can. */
  obstacle: string;
};

export type MapProgram = {
  name: "newuidmap" | "newgidmap";
  /** null: not installed. */
  path: string | null;
  hasSetId: boolean;
  hasCapabilities: boolean;
  /** Its file system gives no rights away. */
  isOnNosuid: boolean;
};

export type DirectoryFacts = { uid: number; mode: number; isDirectory: boolean };

export type AuthFile = {
  path: string;
  /** Why it cannot be read; "" where it can. */
  fault: string;
  /** Names of credential helpers that it asks, and whether `docker-credential-NAME` is in PATH. */
  helpers: readonly { name: string; isThere: boolean }[];
  /** Others than its owner may read it, and it holds secrets. */
  isOpen: boolean;
};

export type HostFacts = {
  uid: number;
  user: string;
  nowMs: number;
  kernel: string;
  /** A file below /proc/sys by its path there; null where this kernel has none. */
  sysctl(path: string): string | null;
  /** The profile that confines this process, "" where AppArmor is not there. */
  appArmor: string;
  seLinux: "enforcing" | "permissive" | "";
  noNewPrivileges: boolean;
  /** What the helper has found by trying it. */
  features: Attempt<Features>;

  subuid: string;
  subgid: string;
  passwd: string;
  mapPrograms: readonly MapProgram[];

  cgroups: Attempt<CgroupFacts>;

  storage: Attempt<{ driver: string; reason: string; isChosen: boolean }>;
  fuse: { program: string | null; device: "usable" | "closed" | "missing" };
  data: PlaceFacts;
  cache: PlaceFacts;
  runtime: PlaceFacts;
  /** Whether directory entries of the data directory carry their type; null where that could not be tried. */
  hasEntryTypes: boolean | null;

  network: Attempt<NetdFeatures>;
  /** Programs of user-mode networks that are installed. */
  networkPrograms: readonly string[];
  tun: "usable" | "closed" | "missing";
  groups: readonly number[];

  /** The newest time that proa itself has written, 0 where it has written nothing. */
  lastWrittenMs: number;
  /** When this executable was made. */
  builtMs: number;

  session: {
    /** systemd is this host's init. */
    hasSystemd: boolean;
    lingers: boolean;
    runtimeVariable: string | undefined;
    /** /run/user/UID is there. */
    hasLoginDirectory: boolean;
    /** What $XDG_RUNTIME_DIR names; null where it is not there. */
    runtimeDirectory: DirectoryFacts | null;
    /** Where proa keeps what lives. */
    used: string;
    /** Containers that are to be started again. */
    restarting: number;
  };
  limits: { openFiles: number; processes: number; running: number };

  database: Attempt<{ containers: number }>;
  /** Names of containers whose rows say that they run, and whose supervisor is gone without a record. */
  killed: readonly string[];
  /** Names of containers whose files are gone. */
  lost: readonly string[];
  /** Starts and removals that were killed in their middle. */
  unfinished: number;

  configuration: Attempt<string>;
  configurationFile: string;
  registries: Attempt<{ files: number }>;
  authFiles: readonly AuthFile[];
};
