import type { PortMap } from "./ports";

/**
 * The one option record of a container: the CLI's flags and the API's body both become this, and it is what is stored,
 * inspected and executed. Field names are those of the Docker Engine API (`/containers/create`); a field that proa adds says so.
 */
export type ContainerSpec = {
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
  StopSignal: string;
  /** Seconds. */
  StopTimeout: number;
  /** Ports that the image or `--expose` names, `80/tcp`: what `PublishAllPorts` publishes. */
  ExposedPorts: Record<string, Record<string, never>>;
  HostConfig: HostConfig;
  /** What was asked for at creation; how the container is connected since then is with the networks. */
  NetworkingConfig: { EndpointsConfig: Record<string, EndpointSettings> };
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

export type HostConfig = {
  AutoRemove: boolean;
  /** `/source:/target[:options]`. */
  Binds: string[];
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
  LogConfig: { Type: string; Config: Record<string, string> };
  /** Name or path of an OCI runtime; "" is proa's own. */
  Runtime: string;
  /** proa: a directory in place of an image, the lower layer under an overlay; "" for none. */
  Rootfs: string;
};
