/** The options of `run` and `create` about privileges, devices and the process's rights. */
import { storedSecurityOptions } from "../../container";
import { EngineError } from "../../error";
import { type HostConfig, type IsolationConfig, isCdiDevice, parseBytes, protectedPaths } from "../../oci";
import type { Args, Values } from "../tree";

const GROUP = "Security";
const DEVICES = "Devices";
const PROCESS = "Process";

export const securityArgs = {
  privileged: {
    type: "boolean",
    group: GROUP,
    description: "Give all that you may give: capabilities, your devices, mounts, no filter",
    details:
      "All capabilities within the container's user namespace, no seccomp filter, nothing masked or read-only, and the host's devices that you may open. It never gives more than you have on the host.",
  },
  "cap-add": {
    type: "string",
    multiple: true,
    valueHint: "CAPABILITY",
    value: "capability",
    group: GROUP,
    description: "Add a capability",
  },
  "cap-drop": {
    type: "string",
    multiple: true,
    valueHint: "CAPABILITY",
    value: "capability",
    group: GROUP,
    description: "Drop a capability",
  },
  "security-opt": {
    type: "string",
    multiple: true,
    valueHint: "OPTION",
    value: "security-option",
    group: GROUP,
    description: "Security option",
    details:
      "no-new-privileges[:true|false], seccomp=FILE, seccomp=unconfined, seccomp=builtin, systempaths=unconfined, mask=PATH[:PATH...], unmask=ALL or unmask=PATH[:PATH...], proc-opts=OPTIONS, writable-cgroups[=true|false], label=disable, apparmor=unconfined.",
  },
  "seccomp-policy": {
    type: "string",
    valueHint: "POLICY",
    value: { oneOf: ["default", "image"] },
    default: "default",
    group: GROUP,
    description: "Take the seccomp filter from the image's label where it has one",
  },
  device: {
    type: "string",
    multiple: true,
    valueHint: "SOURCE[:TARGET[:rwm]]",
    value: "device",
    group: DEVICES,
    description: "Give a device of the host, a directory of them, or a CDI device",
    details:
      "VENDOR/CLASS=NAME is a CDI device of /etc/cdi or /run/cdi. You must be allowed to open it yourself.",
  },
  gpus: {
    type: "string",
    valueHint: "GPUS",
    value: { suggest: ["all"] },
    group: DEVICES,
    description: "Give GPUs that a CDI specification describes: all, a number, device=ID",
  },
  "group-add": {
    type: "string",
    multiple: true,
    valueHint: "GROUP",
    value: "group",
    group: PROCESS,
    description: "Add a further group, by name or number; keep-groups keeps yours",
  },
  ulimit: {
    type: "string",
    multiple: true,
    valueHint: "NAME=SOFT[:HARD]",
    value: "ulimit",
    group: PROCESS,
    description: "Set a resource limit; host takes all of yours",
  },
  sysctl: {
    type: "string",
    multiple: true,
    valueHint: "NAME=VALUE",
    value: "sysctl",
    group: PROCESS,
    description: "Set a kernel parameter of the container's namespaces",
  },
  "oom-score-adj": {
    type: "int",
    valueHint: "NUMBER",
    min: -1000,
    max: 1000,
    group: PROCESS,
    description: "Preference of the out-of-memory killer, -1000 to 1000",
  },
  umask: {
    type: "string",
    valueHint: "OCTAL",
    value: "none",
    group: PROCESS,
    description: "File mode creation mask; default: 0022",
  },
  personality: {
    type: "string",
    valueHint: "DOMAIN",
    value: { suggest: ["LINUX", "LINUX32"] },
    group: PROCESS,
    description: "Execution domain: LINUX or LINUX32",
  },
  "shm-size": {
    type: "string",
    valueHint: "BYTES",
    value: "none",
    default: "64m",
    group: PROCESS,
    description: "Size of /dev/shm",
  },
  passwd: {
    type: "boolean",
    default: true,
    group: PROCESS,
    description: "Add the user to /etc/passwd where the image does not know it",
  },
  "passwd-entry": {
    type: "string",
    valueHint: "LINE",
    value: "none",
    group: PROCESS,
    description: "The line that is added: $USERNAME, $UID, $GID, $NAME and $HOME stand for the user's",
  },
  "group-entry": {
    type: "string",
    valueHint: "LINE",
    value: "none",
    group: PROCESS,
    description: "The line that is added to /etc/group: $GROUPNAME, $GID and $USERLIST",
  },
  hostuser: {
    type: "string",
    multiple: true,
    valueHint: "USER",
    value: "host-user",
    group: PROCESS,
    description: "Add a user of the host to /etc/passwd and /etc/group, by name or number",
  },
  chrootdirs: {
    type: "string",
    multiple: true,
    valueHint: "DIR",
    value: "directory-inside",
    group: PROCESS,
    description: "A directory of the container that gets its hosts, hostname and resolv.conf, too",
  },
} as const satisfies Args;

type SecurityValues = Values<typeof securityArgs>;

/** The readers of single values, for those that have some. */
const values = () => require("./_security-values") as typeof import("./_security-values");

type SecurityConfig = Pick<
  HostConfig,
  | "Privileged"
  | "CapAdd"
  | "CapDrop"
  | "SecurityOpt"
  | "GroupAdd"
  | "Ulimits"
  | "Sysctls"
  | "OomScoreAdj"
  | "ShmSize"
> &
  Pick<
    IsolationConfig,
    | "Devices"
    | "DeviceRequests"
    | "MaskedPaths"
    | "ReadonlyPaths"
    | "Umask"
    | "Personality"
    | "Passwd"
    | "PasswdEntry"
    | "GroupEntry"
    | "HostUsers"
    | "ChrootDirs"
    | "SeccompPolicy"
  >;

/** Throws `invalid`, `unsupported`. */
export function securityOptionsFrom(args: SecurityValues, warn: (message: string) => void): SecurityConfig {
  if (args["group-add"].includes("keep-groups") && args["group-add"].length > 1)
    throw new EngineError(
      "invalid",
      "--group-add",
      "keep-groups",
      "it is not allowed with any other --group-add option",
    );
  const Personality = (args.personality ?? "").toUpperCase();
  if (!["", "LINUX", "LINUX32"].includes(Personality))
    throw new EngineError("invalid", "personality", args.personality ?? "", "expected LINUX or LINUX32");
  const relative = args.chrootdirs.find((path) => !path.startsWith("/"));
  if (relative !== undefined)
    throw new EngineError("invalid", "chrootdirs", relative, "it must be an absolute path in the container");
  const cdi = args.device.filter(isCdiDevice);
  const Devices = args.device.filter((text) => !isCdiDevice(text)).map((text) => values().parseDevice(text));
  for (const { PathOnHost, CgroupPermissions } of Devices) {
    if (CgroupPermissions.includes("r") && CgroupPermissions.includes("w")) continue; // m: no user namespace can make devices
    warn(`--device ${PathOnHost}:${CgroupPermissions}: only root can take away what the node itself allows`);
  }
  return {
    Privileged: args.privileged,
    CapAdd: names(args["cap-add"]),
    CapDrop: names(args["cap-drop"]),
    SecurityOpt: storedSecurityOptions(args["security-opt"], warn),
    ...protectedPaths(args["security-opt"], args.privileged),
    GroupAdd: args["group-add"],
    Ulimits: args.ulimit.flatMap((text) =>
      text === "host" ? values().ownLimits() : [values().parseUlimit(text)],
    ),
    Sysctls: Object.fromEntries(args.sysctl.map((line) => values().required("sysctl", line))),
    OomScoreAdj: args["oom-score-adj"] ?? null,
    ShmSize: parseBytes("shm size", args["shm-size"]) || DEFAULT_SHM_BYTES,
    Devices,
    DeviceRequests: [
      ...(cdi.length > 0 ? [{ Driver: "cdi", Count: 0, DeviceIDs: cdi, Capabilities: [], Options: {} }] : []),
      ...(args.gpus === undefined ? [] : [values().parseGpus(args.gpus)]),
    ],
    Umask: umaskOf(args.umask),
    Personality,
    Passwd: args.passwd,
    PasswdEntry: args["passwd-entry"] ?? "",
    GroupEntry: args["group-entry"] ?? "",
    HostUsers: args.hostuser,
    ChrootDirs: args.chrootdirs,
    SeccompPolicy: args["seccomp-policy"],
  };
}

/** podman takes several behind commas. */
function names(list: readonly string[]): string[] {
  return list.flatMap((text) => text.split(",")).filter(Boolean);
}

function umaskOf(text: string | undefined): string {
  if (text === undefined) return "";
  if (/^0?[0-7]{1,4}$/.test(text) && Number.parseInt(text, 8) <= 0o777) return text.padStart(4, "0");
  throw new EngineError("invalid", "umask", text, "expected an octal number up to 0777");
}

/** As Docker: 0 means the default, no container has an unlimited one. */
const DEFAULT_SHM_BYTES = 64 << 20;
