/** The options of `run` and `create` about privileges, devices and the process's rights. */
import { storedSecurityOptions } from "../../container";
import { EngineError } from "../../error";
import {
  type DeviceMapping,
  type DeviceRequest,
  type HostConfig,
  type IsolationConfig,
  isCdiDevice,
  parseBytes,
  protectedPaths,
} from "../../oci";
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
    value: {
      suggest: [
        "no-new-privileges",
        "seccomp=unconfined",
        "label=disable",
        "systempaths=unconfined",
        "unmask=ALL",
      ],
    },
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
    value: "file",
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
    group: PROCESS,
    description: "Add a further group, by name or number; keep-groups keeps yours",
  },
  ulimit: {
    type: "string",
    multiple: true,
    valueHint: "NAME=SOFT[:HARD]",
    group: PROCESS,
    description: "Set a resource limit; host takes all of yours",
  },
  sysctl: {
    type: "string",
    multiple: true,
    valueHint: "NAME=VALUE",
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
    group: PROCESS,
    description: "The line that is added: $USERNAME, $UID, $GID, $NAME and $HOME stand for the user's",
  },
  "group-entry": {
    type: "string",
    valueHint: "LINE",
    group: PROCESS,
    description: "The line that is added to /etc/group: $GROUPNAME, $GID and $USERLIST",
  },
  hostuser: {
    type: "string",
    multiple: true,
    valueHint: "USER",
    group: PROCESS,
    description: "Add a user of the host to /etc/passwd and /etc/group, by name or number",
  },
  chrootdirs: {
    type: "string",
    multiple: true,
    valueHint: "DIR",
    group: PROCESS,
    description: "A directory of the container that gets its hosts, hostname and resolv.conf, too",
  },
} as const satisfies Args;

type SecurityValues = Values<typeof securityArgs>;

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
  const Devices = args.device.filter((text) => !isCdiDevice(text)).map(parseDevice);
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
    Ulimits: args.ulimit.flatMap((text) => (text === "host" ? ownLimits() : [parseUlimit(text)])),
    Sysctls: Object.fromEntries(args.sysctl.map((line) => required("sysctl", line))),
    OomScoreAdj: args["oom-score-adj"] ?? null,
    ShmSize: parseBytes("shm size", args["shm-size"]) || DEFAULT_SHM_BYTES,
    Devices,
    DeviceRequests: [
      ...(cdi.length > 0 ? [{ Driver: "cdi", Count: 0, DeviceIDs: cdi, Capabilities: [], Options: {} }] : []),
      ...(args.gpus === undefined ? [] : [parseGpus(args.gpus)]),
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

function required(what: string, line: string): [string, string] {
  const cut = line.indexOf("=");
  if (cut < 1) throw new EngineError("invalid", what, line, "expected NAME=VALUE");
  return [line.slice(0, cut), line.slice(cut + 1)];
}

const ULIMITS = new Set(
  "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(
    " ",
  ),
);

/** Without a limit, as Docker's API has it. */
const UNLIMITED = -1;

/** As Docker: 0 means the default, no container has an unlimited one. */
const DEFAULT_SHM_BYTES = 64 << 20;

function parseUlimit(text: string): { Name: string; Soft: number; Hard: number } {
  const [given, value] = required("ulimit", text);
  const Name = given.toLowerCase().replace(/^rlimit_/, "");
  if (!ULIMITS.has(Name)) throw new EngineError("invalid", "ulimit", text, `unknown limit "${given}"`);
  const number = (part: string): number => {
    if (part === "-1" || part === "unlimited") return UNLIMITED;
    if (!/^\d+$/.test(part)) throw new EngineError("invalid", "ulimit", text, "expected NAME=SOFT[:HARD]");
    const limit = Number(part);
    if (Number.isSafeInteger(limit)) return limit;
    throw new EngineError("invalid", "ulimit", text, "the number is too large", { hint: "unlimited: -1" });
  };
  const [soft = "", hard = soft, ...rest] = value.split(":");
  if (rest.length > 0) throw new EngineError("invalid", "ulimit", text, "expected NAME=SOFT[:HARD]");
  const limit = { Name, Soft: number(soft), Hard: number(hard) };
  const isAbove = limit.Hard !== UNLIMITED && (limit.Soft === UNLIMITED || limit.Soft > limit.Hard);
  if (isAbove) throw new EngineError("invalid", "ulimit", text, "the soft limit is above the hard one");
  return limit;
}

/** As /proc/PID/limits calls them (proc_pid_limits(5)). */
const LIMIT_NAMES: Record<string, string> = {
  "Max cpu time": "cpu",
  "Max file size": "fsize",
  "Max data size": "data",
  "Max stack size": "stack",
  "Max core file size": "core",
  "Max resident set": "rss",
  "Max processes": "nproc",
  "Max open files": "nofile",
  "Max locked memory": "memlock",
  "Max address space": "as",
  "Max file locks": "locks",
  "Max pending signals": "sigpending",
  "Max msgqueue size": "msgqueue",
  "Max nice priority": "nice",
  "Max realtime priority": "rtprio",
  "Max realtime timeout": "rttime",
};

/** `--ulimit host`: the limits of who called proa, whose own number of open files the runtime it is written in has raised. */
function ownLimits(): { Name: string; Soft: number; Hard: number }[] {
  const { readFileSync } = require("node:fs") as typeof import("node:fs");
  const read = (pid: number | string): string => readFileSync(`/proc/${pid}/limits`, "utf8");
  let text: string;
  try {
    text = read(process.ppid);
  } catch {
    text = read("self"); // somebody else's process
  }
  const number = (word: string): number => (word === "unlimited" ? UNLIMITED : Number(word));
  return [...text.matchAll(/^(Max [a-z ]+?) {2,}(\S+) +(\S+)/gm)].flatMap(
    ([, label = "", soft = "", hard = ""]) => {
      const Name = LIMIT_NAMES[label];
      return Name === undefined ? [] : [{ Name, Soft: number(soft), Hard: number(hard) }];
    },
  );
}

/** `SOURCE[:TARGET[:rwm]]`, and docker's `SOURCE:rwm`. */
function parseDevice(text: string): DeviceMapping {
  const parts = text.split(":");
  const [PathOnHost = "", second, third] = parts;
  const fail = (why: string): EngineError => new EngineError("invalid", "device", text || '""', why);
  if (PathOnHost === "" || parts.length > 3) throw fail("bad format: expected SOURCE[:TARGET[:rwm]]");
  const isMode = (part: string): boolean => /^[rwm]{1,3}$/.test(part) && new Set(part).size === part.length;
  const isShort = parts.length === 2 && isMode(second ?? "");
  const PathInContainer = second === undefined || second === "" || isShort ? PathOnHost : second;
  const CgroupPermissions = isShort ? (second ?? "rwm") : (third ?? "rwm");
  if (!isMode(CgroupPermissions)) throw fail(`bad mode specified: ${CgroupPermissions}`);
  if (!PathInContainer.startsWith("/") || !PathOnHost.startsWith("/"))
    throw fail(`${PathInContainer} is not an absolute path`);
  return { PathOnHost, PathInContainer, CgroupPermissions };
}

/** docker's `--gpus`: `all`, a number, `device=0,1`, `"device=0,1",capabilities=…`. */
function parseGpus(text: string): DeviceRequest {
  const request: DeviceRequest = {
    Driver: "",
    Count: 0,
    DeviceIDs: [],
    Capabilities: [["gpu"]],
    Options: {},
  };
  const fail = (why: string): EngineError => new EngineError("invalid", "--gpus", text || '""', why);
  // CSV: a field with commas stands in quotes
  for (const field of text.match(/"[^"]*"|[^,]+/g) ?? []) {
    const line = field.replace(/^"(.*)"$/, "$1");
    const cut = line.indexOf("=");
    const [name, value] = cut < 0 ? ["count", line] : [line.slice(0, cut), line.slice(cut + 1)];
    if (name === "count") {
      if (value !== "all" && !/^-?\d+$/.test(value))
        throw fail(`invalid count (${value}): value must be either "all" or an integer`);
      request.Count = value === "all" ? -1 : Number(value);
    } else if (name === "device") request.DeviceIDs = value.split(",");
    else if (name === "driver") request.Driver = value;
    else if (name === "capabilities") request.Capabilities = [[...value.split(","), "gpu"]];
    else if (name === "options")
      request.Options = Object.fromEntries(value.split(",").map((part) => required("--gpus", part)));
    else throw fail(`unexpected key '${name}' in '${line}'`);
  }
  return request;
}
