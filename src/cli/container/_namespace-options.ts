/** The options of `run` and `create` that say which namespaces a container has, and how ids are mapped into them. */
import { EngineError } from "../../error";
import { type IsolationConfig, type NamespaceKind, parseNamespace, parseUserNamespace } from "../../oci";
import type { Args, Values } from "../tree";

const GROUP = "Namespaces";

export const namespaceArgs = {
  pid: {
    type: "string",
    valueHint: "MODE",
    value: "pid-mode",
    group: GROUP,
    description: "Process namespace: private, host, container:NAME, ns:PATH",
  },
  ipc: {
    type: "string",
    valueHint: "MODE",
    value: "ipc-mode",
    group: GROUP,
    description: "IPC namespace: shareable, private, none, host, container:NAME, ns:PATH",
    details: "With none there is no /dev/shm. A private one cannot be joined by another container.",
  },
  uts: {
    type: "string",
    valueHint: "MODE",
    value: "uts-mode",
    group: GROUP,
    description: "Namespace of the host name: private, host, container:NAME, ns:PATH",
  },
  cgroupns: {
    type: "string",
    valueHint: "MODE",
    value: "cgroupns-mode",
    group: GROUP,
    description: "Cgroup namespace: private, host, container:NAME, ns:PATH",
  },
  userns: {
    type: "string",
    valueHint: "MODE",
    value: "userns-mode",
    group: GROUP,
    description: "User namespace: host, keep-id, auto, nomap, container:NAME, ns:PATH",
    details:
      "host, the default: you are root inside. keep-id[:uid=,gid=,size=]: you are yourself inside, and so is what you own in bind mounts. auto[:size=,uidmapping=,gidmapping=]: ids that no other container with auto has. nomap: your own id is not there at all. With keep-id, auto and nomap the owners of an image's files have to change: its layers are kept once more for that map, without their data where the kernel can (Linux 6.16). The default is that of the variable PODMAN_USERNS.",
  },
  uidmap: {
    type: "string",
    multiple: true,
    valueHint: "CONTAINER:FROM[:AMOUNT]",
    value: "none",
    group: GROUP,
    description: "Map user ids of the container",
    details:
      "FROM 0 is you, 1 and up are your subordinate ids; @ before it means ids of the host. A line that begins with + changes the usual map instead of replacing it; u and g say which ids it is for.",
  },
  gidmap: {
    type: "string",
    multiple: true,
    valueHint: "CONTAINER:FROM[:AMOUNT]",
    value: "none",
    group: GROUP,
    description: "Map group ids of the container; default: as --uidmap",
  },
  subuidname: {
    type: "string",
    valueHint: "NAME",
    value: "subuid-name",
    group: GROUP,
    description: "Use the subordinate user ids of NAME, which must be you",
  },
  subgidname: {
    type: "string",
    valueHint: "NAME",
    value: "subuid-name",
    group: GROUP,
    description: "Use the subordinate group ids of NAME, which must be you",
  },
} as const satisfies Args;

type NamespaceValues = Values<typeof namespaceArgs>;

/** Throws `invalid`, in docker's words where it has some, and `unsupported`. */
export function namespaceOptionsFrom(
  args: NamespaceValues & { hostname?: string | undefined; "shm-size": string },
  given: ReadonlySet<string>,
  env: Readonly<Record<string, string | undefined>>,
): Pick<IsolationConfig, "UsernsMode" | "PidMode" | "IpcMode" | "UTSMode" | "CgroupnsMode" | "IdMapLines"> {
  const modes: Record<NamespaceKind, string> = {
    pid: args.pid ?? "",
    ipc: args.ipc ?? "",
    uts: args.uts ?? "",
    cgroup: args.cgroupns ?? "",
  };
  for (const [kind, text] of Object.entries(modes)) parseNamespace(kind as NamespaceKind, text);
  const uts = parseNamespace("uts", modes.uts);
  if (given.has("hostname") && uts.kind !== "own")
    throw new EngineError("invalid", "conflicting options", "", "hostname and the UTS mode");
  const ipc = parseNamespace("ipc", modes.ipc).kind;
  if (given.has("shm-size") && ipc !== "own") {
    const why = ipc === "none" ? "there is no /dev/shm" : "/dev/shm is the other's";
    throw new EngineError("invalid", "--shm-size", `with --ipc ${modes.ipc}`, why);
  }
  const IdMapLines = idMapLines(args);
  const hasOwnIds = ["uidmap", "gidmap", "subuidname", "subgidname"].some((name) => given.has(name));
  // podman's variable for who wants another default
  const usual = hasOwnIds ? "" : (env["PODMAN_USERNS"] ?? "");
  const UsernsMode = args.userns ?? (given.has("subuidname") || given.has("subgidname") ? "nomap" : usual);
  parseUserNamespace(UsernsMode);
  return {
    UsernsMode,
    PidMode: modes.pid,
    IpcMode: modes.ipc,
    UTSMode: modes.uts,
    CgroupnsMode: modes.cgroup,
    IdMapLines,
  };
}

function idMapLines(args: NamespaceValues): IsolationConfig["IdMapLines"] {
  const hasLines = args.uidmap.length + args.gidmap.length > 0;
  const hasNames = args.subuidname !== undefined || args.subgidname !== undefined;
  if ((hasLines || hasNames) && args.userns)
    throw new EngineError(
      "invalid",
      "--userns",
      args.userns,
      "it cannot be combined with --uidmap, --gidmap, --subuidname or --subgidname",
    );
  if (hasLines && hasNames)
    throw new EngineError("invalid", "--subuidname", "", "it cannot be combined with --uidmap or --gidmap");
  if (hasNames)
    checkOwner(args.subuidname ?? args.subgidname ?? "", args.subgidname ?? args.subuidname ?? "");
  return { uid: args.uidmap, gid: args.gidmap };
}

/** newuidmap gives everybody its own ids only. */
function checkOwner(uidName: string, gidName: string): void {
  const { userInfo } = require("node:os") as typeof import("node:os");
  const { username } = userInfo();
  for (const name of [uidName, gidName]) {
    if (name === username || name === String(process.geteuid?.())) continue;
    throw new EngineError(
      "unsupported",
      "subordinate ids",
      name,
      `an ordinary user maps only its own (${username})`,
    );
  }
}

/**
 * `--rootfs PATH[:O|:idmap]`. The directory is never written to: it is the lower layer of an overlay with `:O`, as podman has it, and without.
 * Throws `unsupported`.
 */
export function rootfsFrom(text: string): string {
  const match = /^(.+):(O|idmap(?:=.*)?)$/s.exec(text);
  if (!match) return text;
  const [, path = "", option = ""] = match;
  if (option === "O") return path;
  throw new EngineError("unsupported", "rootfs", text, "an ordinary user cannot map the ids of a mount", {
    hint: "--userns keep-id shows your files as yours",
  });
}
