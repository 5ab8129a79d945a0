/** The options that `run` and `create` share, and the ContainerSpec that they ask for. */
import { readFileSync } from "node:fs";
import { type AskedSpec, signalNumber } from "../../container";
import type { Args, Values } from "../tree";
import { type Attached, attachedArgs } from "./_attach-options";
import { environmentArgs, environmentRulesFrom, ownEnvironmentFrom } from "./_environment-options";
import { healthArgs, healthOptionsFrom } from "./_health-options";
import { identityArgs, identityOptionsFrom, labelsFrom } from "./_identity-options";
import { imageArgs } from "./_image-options";
import { initArgs, initOptionsFrom } from "./_init-options";
import { lifeArgs, lifeOptionsFrom } from "./_life-options";
import { limitArgs, limitsFrom } from "./_limit-options";
import { logArgs, logOptionsFrom } from "./_log-options";
import { mountArgs, mountOptionsFrom } from "./_mount-options";
import { namespaceArgs, namespaceOptionsFrom, rootfsFrom } from "./_namespace-options";
import {
  checkDns,
  leavesResolvConf,
  networkArgs,
  networkOptionsFrom,
  portOptionsFrom,
} from "./_network-options";
import { absoluteDirectory } from "./_process-options";
import { isolationArgs, refusedArgs, refuseOptions } from "./_refused-options";
import { secretArgs, secretOptionsFrom } from "./_secret-options";
import { securityArgs, securityOptionsFrom } from "./_security-options";
import { systemdArgs, systemdOptionsFrom } from "./_systemd-options";

export const createArgs = {
  ...identityArgs,
  ...environmentArgs,
  workdir: {
    type: "string",
    alias: "w",
    valueHint: "DIR",
    value: "directory-inside",
    description: "Working directory inside the container",
  },
  user: {
    type: "string",
    alias: "u",
    valueHint: "USER[:GROUP]",
    value: "user",
    description: "User, and group, by name or number",
  },
  entrypoint: {
    type: "string",
    valueHint: "COMMAND",
    value: "command",
    description: "Replace the image's entrypoint",
    details: "An empty value clears it. A JSON array is the program with its first arguments.",
  },
  interactive: { type: "boolean", alias: "i", description: "Keep stdin open" },
  tty: { type: "boolean", alias: "t", description: "Give the container a terminal" },
  rm: { type: "boolean", description: "Remove the container when it has ended" },
  ...networkArgs,
  ...mountArgs,
  rootfs: {
    type: "boolean",
    description: "IMAGE is a directory of the host, used as a read-only lower layer",
  },
  ...lifeArgs,
  ...initArgs,
  ...healthArgs,
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
  ...logArgs,
  runtime: {
    type: "string",
    valueHint: "PROGRAM",
    value: "runtime",
    default: "",
    description: "OCI runtime to run the container with, in place of proa's own",
  },
  ...securityArgs,
  ...namespaceArgs,
  ...imageArgs,
  ...limitArgs,
  ...secretArgs,
  ...systemdArgs,
  ...attachedArgs,
  ...isolationArgs,
  ...refusedArgs,
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

/** One program, or as podman has it a JSON array of the program and its first arguments; "" is none. */
function entrypointFrom(text: string): string[] {
  if (text === "") return [];
  if (!text.startsWith("[")) return [text];
  try {
    const words: unknown = JSON.parse(text);
    if (Array.isArray(words) && words.every((word) => typeof word === "string")) return words;
  } catch {
    // it is the name of a program then
  }
  return [text];
}

/** The spec that the options ask for; what the image decides stays null or empty. Throws `invalid`, `unsupported`. */
export function specFrom(
  args: CreateValues,
  given: ReadonlySet<string>,
  env: Readonly<Record<string, string | undefined>>,
  attached: Attached,
): AskedSpec {
  refuseOptions(given);
  const resources = limitsFrom(args, given);
  const warnings: string[] = [];
  const security = securityOptionsFrom(args, (message) => warnings.push(message));
  const { Volumes, HostConfig: mounts } = mountOptionsFrom(args);
  if (args["stop-signal"] !== undefined) signalNumber(args["stop-signal"]);
  const { NetworkMode, EndpointsConfig } = networkOptionsFrom(args);
  const { ExposedPorts, PortBindings } = portOptionsFrom(args);
  const { RestartPolicy, Timeout } = lifeOptionsFrom(args);
  checkDns(args);
  return {
    Hostname: args.hostname ?? (NetworkMode === "host" || args.uts === "host" ? hostName() : ""),
    Domainname: args.domainname ?? "",
    User: args.user ?? "",
    AttachStdin: attached.stdin,
    AttachStdout: attached.stdout,
    AttachStderr: attached.stderr,
    Tty: args.tty,
    OpenStdin: args.interactive,
    StdinOnce: args.interactive && attached.stdin,
    Env: ownEnvironmentFrom(args, env),
    environmentRules: environmentRulesFrom(args, env),
    Entrypoint: given.has("entrypoint") ? entrypointFrom(args.entrypoint ?? "") : null,
    Cmd: args.command,
    Image: args.image,
    WorkingDir: absoluteDirectory(args.workdir),
    Labels: labelsFrom(args),
    StopSignal: args["stop-signal"] ?? "",
    StopTimeout: args["stop-timeout"],
    Timeout,
    ...healthOptionsFrom(args, given),
    ExposedPorts,
    ...(Object.keys(Volumes).length > 0 ? { Volumes } : {}),
    NetworkingConfig: { EndpointsConfig },
    ...(warnings.length > 0 ? { Warnings: warnings } : {}),
    HostConfig: {
      ...identityOptionsFrom(args),
      ...resources,
      ...systemdOptionsFrom(args),
      ...secretOptionsFrom(args),
      ...(args.link.length > 0 ? { Links: args.link } : {}),
      AutoRemove: args.rm || args.rmi,
      RestartPolicy,
      ...initOptionsFrom(args),
      ...mounts,
      NetworkMode,
      PortBindings,
      PublishAllPorts: args["publish-all"],
      Dns: leavesResolvConf(args) ? [] : args.dns,
      ...(leavesResolvConf(args) ? { NoResolvConf: true } : {}),
      DnsSearch: args["dns-search"],
      DnsOptions: args["dns-option"],
      ...namespaceOptionsFrom(args, given, env),
      ...security,
      ExtraHosts: args["add-host"].flatMap(extraHosts),
      LogConfig: logOptionsFrom(args),
      Runtime: args.runtime,
      Rootfs: args.rootfs ? rootfsFrom(args.image) : "",
    },
  };
}

function hostName(): string {
  return readFileSync("/proc/sys/kernel/hostname", "utf8").trim();
}

/** podman's `a;b:ADDRESS` is a line for each name. */
function extraHosts(line: string): string[] {
  const [names = "", ...address] = line.split(/(?=[:=])/);
  return names.includes(";") ? names.split(";").map((name) => name + address.join("")) : [line];
}
