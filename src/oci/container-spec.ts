import type { HealthConfig } from "./health";
import type { IsolationConfig } from "./isolation";
import type { LogConfig } from "./log-config";
import type { MountPoint, MountSpec } from "./mount-point";
import type { PortMap } from "./ports";
import type { Resources } from "./resources";
import type { RestartPolicy } from "./restart-policy";
import type { SecretUse } from "./secret-use";

/**
 * The one option record of a container: the CLI's flags and the API's body both become this, and it is what is stored,
 * inspected and executed. Field names are those of the Docker Engine API (`/containers/create`); a field that proa adds says so.
 */
export type ContainerSpec = HealthConfig & {
  Hostname: string;
  Domainname: string;
  /** `user[:group]`, names or numbers, as the image or the user wrote it. */
  User: string;
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  Tty: boolean;
  OpenStdin: boolean;
  /** stdin is closed when the client that was attached first leaves. */
  StdinOnce: boolean;
  /** `NAME=value` lines: the image's, then the user's. */
  Env: string[];
  Entrypoint: string[];
  Cmd: string[];
  /** As the user named it. */
  Image: string;
  WorkingDir: string;
  Labels: Record<string, string>;
  /** The image's, for checks that are written for a shell; absent: /bin/sh -c. */
  Shell?: string[];
  StopSignal: string;
  /** Seconds. */
  StopTimeout: number;
  /** proa: seconds that it may run; 0: no limit. */
  Timeout: number;
  /** Ports that the image or `--expose` names, `80/tcp`: what `PublishAllPorts` publishes. */
  ExposedPorts: Record<string, Record<string, never>>;
  /** Targets of the volumes that the image or the user names without a source. */
  Volumes?: Record<string, Record<string, never>>;
  /** proa: all that is mounted, worked out at creation. Absent in records of older versions. */
  MountPoints?: MountPoint[];
  HostConfig: HostConfig;
  /** What was asked for at creation; how the container is connected since then is with the networks. */
  NetworkingConfig: { EndpointsConfig: Record<string, EndpointSettings> };
  /** proa: what of it has no effect on this host, a sentence each. */
  Warnings?: string[];
  /** proa: variables that are not set by default, by name. */
  UnsetEnv?: string[];
};

/** The connection to a network, by the network's name or id. */
export type EndpointSettings = {
  IPAMConfig?: { IPv4Address?: string; IPv6Address?: string } | null;
  Aliases?: string[] | null;
  MacAddress?: string;
  /** `com.docker.network.endpoint.ifname`: name of the interface. proa: `host-loopback=true` reaches the host's loopback. */
  DriverOpts?: Record<string, string> | null;
  /** The highest has the default route. */
  GwPriority?: number;
};

/** What is missing of IsolationConfig is as `isolationOf()` has it. */
export type HostConfig = Resources &
  Partial<IsolationConfig> & {
    AutoRemove: boolean;
    RestartPolicy: RestartPolicy;
    /** `/source:/target[:options]`; a source that is no path is the name of a volume. */
    Binds: string[];
    Mounts?: MountSpec[];
    /** `container[:options]`. */
    VolumesFrom?: string[];
    VolumeDriver?: string;
    /** proa: what the image's volumes become, where that is not anonymous ones. */
    ImageVolumes?: "tmpfs" | "ignore";
    /** What `parseNetworkMode()` reads. */
    NetworkMode: string;
    PortBindings: PortMap;
    PublishAllPorts: boolean;
    /** Resolvers to ask in place of the host's. */
    Dns: string[];
    /** [] takes the host's; "." is none. */
    DnsSearch: string[];
    DnsOptions: string[];
    ReadonlyRootfs: boolean;
    Privileged: boolean;
    CapAdd: string[];
    CapDrop: string[];
    /** `name[=value]`. */
    SecurityOpt: string[];
    GroupAdd: string[];
    /** -1: no limit. */
    Ulimits: { Name: string; Soft: number; Hard: number }[];
    Sysctls: Record<string, string>;
    /** null: not asked for. */
    OomScoreAdj: number | null;
    /** Bytes. */
    ShmSize: number;
    /** Target to mount options. */
    Tmpfs: Record<string, string>;
    ExtraHosts: string[];
    /** Type "" in what is asked for: as the configuration has it. */
    LogConfig: LogConfig;
    /** Name or path of an OCI runtime; "" is proa's own. */
    Runtime: string;
    /** An init is the container's first process; proa: one of the user's own, by its path on the host. */
    Init?: boolean;
    InitPath?: string;
    /** proa: a directory in place of an image, the lower layer under an overlay; "" for none. */
    Rootfs: string;
    /** Of `config.json`. */
    Annotations?: Record<string, string>;
    /** `--cidfile`, as it was typed. */
    ContainerIDFile?: string;
    /** docker's links: `NAME[:ALIAS]` as asked for, `/name:/container/alias` in `inspect`. */
    Links?: string[];
    /** proa: /etc/hosts, /etc/hostname and /etc/resolv.conf are the image's. */
    NoHosts?: boolean;
    NoHostname?: boolean;
    NoResolvConf?: boolean;
    /** proa: what /etc/hosts begins with: an absolute path, or "none". */
    HostsFile?: string;
    /** proa: files that get the numbers of the first process and of the supervisor, absolute. */
    PidFile?: string;
    ConmonPidFile?: string;
    /** proa: containers that are started first, by id. */
    Requires?: string[];
    /** proa: name in the host's zoneinfo, or "local". */
    Timezone?: string;
    /** proa: whether it is set up for systemd; absent: where its command is. */
    SystemdMode?: "false" | "always";
    /** proa: who tells the service manager that the container is ready; absent: its own program. */
    SdNotifyMode?: "conmon" | "healthy" | "ignore";
    /** proa */
    Secrets?: SecretUse[];
  };
