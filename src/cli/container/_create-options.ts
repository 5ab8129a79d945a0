/** The options that `run` and `create` share, and the ContainerSpec that they ask for. */
import { readFileSync } from "node:fs";
import { type AskedSpec, signalNumber, storedSecurityOptions } from "../../container";
import { EngineError } from "../../error";
import { parseBytes } from "../../oci";
import type { Args, Values } from "../tree";
import { checkDns, networkArgs, networkOptionsFrom, portOptionsFrom } from "./_network-options";
import { absoluteDirectory, environmentFrom, linesOf } from "./_process-options";

export const createArgs = {
  name: { type: "string", valueHint: "NAME", description: "Name of the container" },
  env: {
    type: "string",
    alias: "e",
    multiple: true,
    valueHint: "NAME[=VALUE]",
    description: "Set an environment variable",
    details: "Without a value it is taken from proa's own environment.",
  },
  "env-file": {
    type: "string",
    multiple: true,
    valueHint: "FILE",
    value: "file",
    description: "Read environment variables from a file",
  },
  workdir: {
    type: "string",
    alias: "w",
    valueHint: "DIR",
    description: "Working directory inside the container",
  },
  user: {
    type: "string",
    alias: "u",
    valueHint: "USER[:GROUP]",
    description: "User, and group, by name or number",
  },
  "group-add": {
    type: "string",
    multiple: true,
    valueHint: "GROUP",
    description: "Add a further group, by name or number",
  },
  entrypoint: {
    type: "string",
    valueHint: "COMMAND",
    description: "Replace the image's entrypoint",
    details: "An empty value clears it.",
  },
  hostname: {
    type: "string",
    alias: "h",
    valueHint: "NAME",
    description: "Host name of the container",
    details: "Default: the short id.",
  },
  domainname: { type: "string", valueHint: "NAME", description: "Domain name of the container" },
  "add-host": {
    type: "string",
    multiple: true,
    valueHint: "NAME:ADDRESS",
    description: "Add a line to /etc/hosts",
    details: "NAME=ADDRESS is the same. The address host-gateway is the host's, as containers see it.",
  },
  label: { type: "string", alias: "l", multiple: true, valueHint: "KEY[=VALUE]", description: "Set a label" },
  "label-file": {
    type: "string",
    multiple: true,
    valueHint: "FILE",
    value: "file",
    description: "Read labels from a file",
  },
  interactive: { type: "boolean", alias: "i", description: "Keep stdin open" },
  tty: { type: "boolean", alias: "t", description: "Give the container a terminal" },
  rm: { type: "boolean", description: "Remove the container when it has ended" },
  ...networkArgs,
  volume: {
    type: "string",
    alias: "v",
    multiple: true,
    valueHint: "SOURCE:TARGET[:OPTIONS]",
    value: "directory",
    description: "Bind a file or directory of the host",
    details:
      "Options: ro, rw, nosuid, nodev, noexec, and a propagation. A source that is not there is made as a directory.",
  },
  tmpfs: { type: "string", multiple: true, valueHint: "TARGET[:OPTIONS]", description: "Mount a tmpfs" },
  "shm-size": { type: "string", valueHint: "BYTES", default: "64m", description: "Size of /dev/shm" },
  "read-only": { type: "boolean", description: "Mount the container's root read-only" },
  rootfs: {
    type: "boolean",
    description: "IMAGE is a directory of the host, used as a read-only lower layer",
  },
  "cap-add": {
    type: "string",
    multiple: true,
    valueHint: "CAPABILITY",
    value: "capability",
    description: "Add a capability",
  },
  "cap-drop": {
    type: "string",
    multiple: true,
    valueHint: "CAPABILITY",
    value: "capability",
    description: "Drop a capability",
  },
  "security-opt": {
    type: "string",
    multiple: true,
    valueHint: "OPTION",
    value: { suggest: ["no-new-privileges", "seccomp=unconfined"] },
    description: "Security option: seccomp=FILE|unconfined|builtin, no-new-privileges",
  },
  ulimit: {
    type: "string",
    multiple: true,
    valueHint: "NAME=SOFT[:HARD]",
    description: "Set a resource limit",
  },
  sysctl: {
    type: "string",
    multiple: true,
    valueHint: "NAME=VALUE",
    description: "Set a kernel parameter of the container's namespaces",
  },
  "oom-score-adj": {
    type: "int",
    valueHint: "NUMBER",
    min: -1000,
    max: 1000,
    description: "Preference of the out-of-memory killer, -1000 to 1000",
  },
  "stop-signal": {
    type: "string",
    valueHint: "SIGNAL",
    value: "signal",
    description: "Signal that asks the container to stop",
  },
  "stop-timeout": {
    type: "int",
    valueHint: "SECONDS",
    default: 10,
    description: "Seconds until a container that is asked to stop is killed",
  },
  "log-driver": {
    type: "string",
    valueHint: "DRIVER",
    value: { oneOf: ["json-file", "none"] },
    default: "json-file",
    description: "Where the output is logged",
  },
  "log-opt": {
    type: "string",
    multiple: true,
    valueHint: "NAME=VALUE",
    value: { suggest: ["max-size=10m", "max-file=3"] },
    description: "Option of the log: max-size, max-file",
  },
  runtime: {
    type: "string",
    valueHint: "PROGRAM",
    default: "",
    description: "OCI runtime to run the container with, in place of proa's own",
  },
  platform: { type: "string", valueHint: "OS/ARCH", value: "platform", description: "Platform of the image" },
  pull: {
    type: "string",
    valueHint: "POLICY",
    value: { oneOf: ["always", "missing", "never"] },
    default: "missing",
    description: "When to pull the image",
  },
  quiet: { type: "boolean", alias: "q", description: "Do not show the progress of a pull" },
  cidfile: {
    type: "string",
    valueHint: "FILE",
    value: "file",
    description: "Write the id of the container to a file that is not there yet",
  },
  image: { type: "positional", value: "image", description: "Image, or with --rootfs a directory" },
  command: {
    type: "positional",
    required: false,
    rest: true,
    value: "command",
    valueHint: "COMMAND [ARG...]",
    description: "Command, and its arguments",
  },
} as const satisfies Args;

export type CreateValues = Values<typeof createArgs>;

/** How the client takes part: decided by `run` and `create` themselves. */
export type Attached = { stdin: boolean; stdout: boolean; stderr: boolean };

/** The spec that the options ask for; what the image decides stays null or empty. Throws `invalid`, `unsupported`. */
export function specFrom(
  args: CreateValues,
  given: ReadonlySet<string>,
  env: Readonly<Record<string, string | undefined>>,
  attached: Attached,
): AskedSpec {
  checkTargets(args);
  if (args["stop-signal"] !== undefined) signalNumber(args["stop-signal"]);
  const { NetworkMode, EndpointsConfig } = networkOptionsFrom(args);
  const { ExposedPorts, PortBindings } = portOptionsFrom(args);
  checkDns(args);
  return {
    Hostname: args.hostname ?? (NetworkMode === "host" ? hostName() : ""),
    Domainname: args.domainname ?? "",
    User: args.user ?? "",
    AttachStdin: attached.stdin,
    AttachStdout: attached.stdout,
    AttachStderr: attached.stderr,
    Tty: args.tty,
    OpenStdin: args.interactive,
    StdinOnce: args.interactive && attached.stdin,
    Env: environmentFrom(args["env-file"], args.env, env),
    Entrypoint: given.has("entrypoint") ? [args.entrypoint ?? ""].filter(Boolean) : null,
    Cmd: args.command,
    Image: args.image,
    WorkingDir: absoluteDirectory(args.workdir),
    Labels: Object.fromEntries(
      [...args["label-file"].flatMap((path) => linesOf("label file", path)), ...args.label].map((line) =>
        pair(line),
      ),
    ),
    StopSignal: args["stop-signal"] ?? "",
    StopTimeout: args["stop-timeout"],
    ExposedPorts,
    NetworkingConfig: { EndpointsConfig },
    HostConfig: {
      AutoRemove: args.rm,
      Binds: args.volume.map(absoluteBind),
      NetworkMode,
      PortBindings,
      PublishAllPorts: args["publish-all"],
      Dns: args.dns,
      DnsSearch: args["dns-search"],
      DnsOptions: args["dns-option"],
      ReadonlyRootfs: args["read-only"],
      Privileged: false,
      CapAdd: args["cap-add"],
      CapDrop: args["cap-drop"],
      SecurityOpt: storedSecurityOptions(args["security-opt"]),
      GroupAdd: args["group-add"],
      Ulimits: args.ulimit.map(parseUlimit),
      Sysctls: Object.fromEntries(args.sysctl.map((line) => required("sysctl", line))),
      OomScoreAdj: args["oom-score-adj"] ?? null,
      ShmSize: parseBytes("shm size", args["shm-size"]) || DEFAULT_SHM_BYTES,
      Tmpfs: Object.fromEntries(args.tmpfs.map(parseTmpfs)),
      ExtraHosts: args["add-host"],
      LogConfig: { Type: args["log-driver"], Config: logOptions(args) },
      Runtime: args.runtime,
      Rootfs: args.rootfs ? args.image : "",
    },
  };
}

function hostName(): string {
  return readFileSync("/proc/sys/kernel/hostname", "utf8").trim();
}

function pair(line: string): [string, string] {
  const cut = line.indexOf("=");
  return cut < 0 ? [line, ""] : [line.slice(0, cut), line.slice(cut + 1)];
}

function required(what: string, line: string): [string, string] {
  const [name, value] = pair(line);
  if (name === "" || !line.includes("=")) throw new EngineError("invalid", what, line, "expected NAME=VALUE");
  return [name, value];
}

/** Docker takes a path that begins with . or ~ from the shell; only absolute ones name a place for certain. */
function absoluteBind(text: string): string {
  const [source = "", ...rest] = text.split(":");
  if (rest.length === 0)
    throw new EngineError(
      "unsupported",
      "volume",
      text,
      "anonymous volumes are not there yet: name a source",
    );
  if (!source.startsWith("/") && !source.startsWith(".")) {
    throw new EngineError(
      "unsupported",
      "volume",
      text,
      "named volumes are not there yet: give the path of a directory",
    );
  }
  const { resolve } = require("node:path") as typeof import("node:path");
  return [resolve(source), ...rest].join(":");
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
  const [Name, value] = required("ulimit", text);
  if (!ULIMITS.has(Name)) throw new EngineError("invalid", "ulimit", text, `unknown limit "${Name}"`);
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

/** Of two mounts at one place the first would not be seen. Throws `invalid`. */
function checkTargets(args: CreateValues): void {
  const targets = [
    ...args.volume.map((text) => text.split(":")[1]),
    ...args.tmpfs.map((text) => text.split(":")[0]),
  ];
  const seen = new Set<string>();
  for (const target of targets) {
    const path = target?.replace(/(?<=.)\/+$/, "") ?? "";
    if (seen.has(path)) throw new EngineError("invalid", "mount", path, "several mounts have this target");
    seen.add(path);
  }
}

function parseTmpfs(text: string): [string, string] {
  const [target = "", options = "", ...rest] = text.split(":");
  if (rest.length > 0) throw new EngineError("invalid", "tmpfs", text, "expected TARGET[:OPTIONS]");
  if (!target.startsWith("/"))
    throw new EngineError("invalid", "tmpfs", text, "the target must be an absolute path");
  return [target, options];
}

function logOptions(args: CreateValues): Record<string, string> {
  const options = Object.fromEntries(args["log-opt"].map((line) => required("log option", line)));
  for (const [name, value] of Object.entries(options)) {
    const valid =
      name === "max-size"
        ? parseBytes("log option max-size", value) > 0
        : name === "max-file" && /^[1-9]\d{0,3}$/.test(value);
    if (!valid) {
      throw new EngineError(
        "invalid",
        "log option",
        `${name}=${value}`,
        "known: max-size=BYTES, max-file=NUMBER",
      );
    }
  }
  return options;
}
