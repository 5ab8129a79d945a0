/** Options of `run` and `create` that say who a container is: its names, its labels, and the files that tell of it. */
import { EngineError } from "../../error";
import type { ContainerSpec } from "../../oci";
import type { Args, Values } from "../tree";
import { linesOf } from "./_process-options";

export const identityArgs = {
  name: { type: "string", valueHint: "NAME", value: "none", description: "Name of the container" },
  replace: {
    type: "boolean",
    description: "Remove the container that has the name, though it runs",
  },
  hostname: {
    type: "string",
    alias: "h",
    valueHint: "NAME",
    value: "none",
    description: "Host name of the container",
    details: "Default: the short id.",
  },
  "no-hostname": { type: "boolean", description: "Leave the image's /etc/hostname as it is" },
  domainname: {
    type: "string",
    valueHint: "NAME",
    value: "none",
    description: "Domain name of the container",
  },
  "add-host": {
    type: "string",
    multiple: true,
    valueHint: "NAME:ADDRESS",
    value: "host-name",
    description: "Add a line to /etc/hosts",
    details:
      "NAME=ADDRESS is the same; several names are parted by semicolons. The address host-gateway is the host's, as containers see it.",
  },
  "no-hosts": { type: "boolean", description: "Leave the image's /etc/hosts as it is" },
  "hosts-file": {
    type: "string",
    valueHint: "FILE|none",
    value: "file",
    description: "What /etc/hosts begins with: a file of the host, or nothing",
  },
  label: {
    type: "string",
    alias: "l",
    multiple: true,
    valueHint: "KEY[=VALUE]",
    value: "label",
    description: "Set a label",
  },
  "label-file": {
    type: "string",
    multiple: true,
    valueHint: "FILE",
    value: "file",
    description: "Read labels from a file",
  },
  annotation: {
    type: "string",
    multiple: true,
    valueHint: "KEY=VALUE",
    value: "none",
    description: "Set an annotation of the OCI runtime configuration",
  },
  cidfile: {
    type: "string",
    valueHint: "FILE",
    value: "file",
    description: "Write the id of the container to a file that is not there yet",
  },
  pidfile: {
    type: "string",
    valueHint: "FILE",
    value: "file",
    description: "Write the number of the container's first process to a file at each start",
  },
  "conmon-pidfile": {
    type: "string",
    valueHint: "FILE",
    value: "file",
    description: "Write the number of the container's supervisor to a file at each start",
  },
  requires: {
    type: "string",
    multiple: true,
    valueHint: "CONTAINER[,CONTAINER...]",
    value: "containers",
    description: "Containers that are started before this one",
  },
  tz: {
    type: "string",
    valueHint: "ZONE",
    value: "time-zone",
    description: "Time zone: one of the host's zoneinfo, or local for the host's own",
  },
} as const satisfies Args;

type IdentityValues = Values<typeof identityArgs>;

/** The labels of the files, then the single ones. */
export function labelsFrom(args: IdentityValues): Record<string, string> {
  const lines = [...args["label-file"].flatMap((path) => linesOf("label file", path)), ...args.label];
  return Object.fromEntries(lines.map(pair));
}

/** `KEY[=VALUE]`. */
function pair(line: string): [string, string] {
  const cut = line.indexOf("=");
  return cut < 0 ? [line, ""] : [line.slice(0, cut), line.slice(cut + 1)];
}

type IdentityOptions = Pick<
  ContainerSpec["HostConfig"],
  | "Annotations"
  | "ContainerIDFile"
  | "NoHosts"
  | "NoHostname"
  | "HostsFile"
  | "PidFile"
  | "ConmonPidFile"
  | "Requires"
  | "Timezone"
>;

/** Fields of HostConfig; those that were not asked for are absent. Throws `invalid`. */
export function identityOptionsFrom(args: IdentityValues): IdentityOptions {
  const options: IdentityOptions = {};
  if (args.annotation.length > 0) options.Annotations = Object.fromEntries(args.annotation.map(annotation));
  if (args.cidfile !== undefined) options.ContainerIDFile = args.cidfile;
  if (args["no-hosts"]) options.NoHosts = true;
  if (args["no-hostname"]) options.NoHostname = true;
  if (args["hosts-file"] !== undefined) options.HostsFile = hostsFile(args["hosts-file"]);
  if (args.pidfile !== undefined) options.PidFile = absolute(args.pidfile);
  if (args["conmon-pidfile"] !== undefined) options.ConmonPidFile = absolute(args["conmon-pidfile"]);
  if (args.tz !== undefined) options.Timezone = args.tz;
  const requires = args.requires.flatMap((text) => text.split(",")).filter(Boolean);
  if (requires.length > 0) options.Requires = requires;
  if (args["no-hosts"] && args["add-host"].length > 0)
    throw new EngineError("invalid", "no-hosts", "with --add-host", "conflicting options");
  if (args["no-hosts"] && args["hosts-file"] !== undefined)
    throw new EngineError("invalid", "no-hosts", "with --hosts-file", "conflicting options");
  if (args.replace && !args.name)
    throw new EngineError("invalid", "replace", "container", "it needs the name", { hint: "--name NAME" });
  return options;
}

function annotation(line: string): [string, string] {
  const [key, value] = pair(line);
  if (key !== "" && line.includes("=")) return [key, value];
  throw new EngineError("invalid", "annotation", JSON.stringify(line), "expected KEY=VALUE");
}

function hostsFile(text: string): string {
  if (text === "none") return text;
  if (text !== "image" && text !== "") return absolute(text);
  const why = "what the image has in /etc/hosts is not read";
  throw new EngineError("unsupported", "hosts file", JSON.stringify(text), why, {
    hint: "--no-hosts leaves the image's file as it is",
  });
}

/** The start may be asked for from another directory. */
function absolute(path: string): string {
  const { resolve } = require("node:path") as typeof import("node:path");
  return resolve(path);
}
