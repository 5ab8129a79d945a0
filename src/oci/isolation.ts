/** What of a HostConfig says how a container is kept apart: namespaces, id maps, privileges, devices. Names are the Docker Engine API's; proa's own say so. */

export type DeviceMapping = { PathOnHost: string; PathInContainer: string; CgroupPermissions: string };

/** `--gpus`, and CDI devices. */
export type DeviceRequest = {
  Driver: string;
  /** -1: all. */
  Count: number;
  DeviceIDs: string[];
  Capabilities: string[][];
  Options: Record<string, string>;
};

export type IsolationConfig = {
  /** What `parseUserNamespace()` reads. */
  UsernsMode: string;
  /** These four: what `parseNamespace()` reads. */
  PidMode: string;
  IpcMode: string;
  UTSMode: string;
  CgroupnsMode: string;
  Devices: DeviceMapping[];
  DeviceRequests: DeviceRequest[];
  /** null: the usual ones, none when privileged. */
  MaskedPaths: string[] | null;
  ReadonlyPaths: string[] | null;
  /** proa: lines of `--uidmap` and `--gidmap`, as they were given. */
  IdMapLines: { uid: string[]; gid: string[] };
  /** proa: octal digits; "" is 0022. */
  Umask: string;
  /** proa: `LINUX` or `LINUX32`; "" for the host's. */
  Personality: string;
  /** proa: whether a user that the image does not know gets a line in /etc/passwd. */
  Passwd: boolean;
  /** proa: these lines in place of the usual ones. */
  PasswdEntry: string;
  GroupEntry: string;
  /** proa: users of the host that /etc/passwd is to know. */
  HostUsers: string[];
  /** proa: directories in the container that get its hosts, hostname and resolv.conf, too. */
  ChrootDirs: string[];
  /** proa: `default` or `image`. */
  SeccompPolicy: string;
};

/** As a container has it that asks for nothing. */
export const isolationDefaults: IsolationConfig = {
  UsernsMode: "",
  PidMode: "",
  IpcMode: "",
  UTSMode: "",
  CgroupnsMode: "",
  Devices: [],
  DeviceRequests: [],
  MaskedPaths: null,
  ReadonlyPaths: null,
  IdMapLines: { uid: [], gid: [] },
  Umask: "",
  Personality: "",
  Passwd: true,
  PasswdEntry: "",
  GroupEntry: "",
  HostUsers: [],
  ChrootDirs: [],
  SeccompPolicy: "default",
};

/** Of a HostConfig, with the usual values where it says nothing. */
export function isolationOf(host: Partial<IsolationConfig>): IsolationConfig {
  return { ...isolationDefaults, ...host };
}
