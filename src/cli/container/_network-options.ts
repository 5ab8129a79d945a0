/** The options that say how a container is connected: docker's long and podman's short form of `--network` become the Engine API's fields. */
import { EngineError } from "../../error";
import {
  type EndpointSettings,
  isAddress,
  type PortMap,
  parseExposed,
  parseNetworkMode,
  parsePublished,
} from "../../oci";
import type { Args, Values } from "../tree";

export const networkArgs = {
  network: {
    type: "string",
    hiddenNames: ["net"],
    multiple: true,
    valueHint: "NETWORK[:OPTIONS]",
    value: "network-use",
    description: "Network to connect to; may be repeated",
    details:
      "The name of a network (the default one is proa, also called bridge), with options behind it: NAME:ip=ADDRESS,ip6=ADDRESS,mac=ADDRESS,alias=NAME,interface_name=NAME,host-loopback; or name=NAME,alias=NAME,ip=ADDRESS,mac-address=ADDRESS,driver-opt=KEY=VALUE. host-loopback lets host.containers.internal reach the loopback of the host. none: loopback only. host: the network of the host. container:NAME: that of another container, with its user namespace. ns:PATH: a network namespace. slirp4netns[:OPTIONS] and pasta[:OPTIONS]: by these programs, where they are installed.",
  },
  ip: { type: "string", valueHint: "ADDRESS", value: "none", description: "IPv4 address in the network" },
  ip6: { type: "string", valueHint: "ADDRESS", value: "none", description: "IPv6 address in the network" },
  "mac-address": {
    type: "string",
    valueHint: "ADDRESS",
    value: "none",
    description: "MAC address of the interface",
  },
  "network-alias": {
    type: "string",
    hiddenNames: ["net-alias"],
    multiple: true,
    valueHint: "NAME",
    value: "none",
    description: "A further name that the container answers to in its network",
  },
  publish: {
    type: "string",
    alias: "p",
    multiple: true,
    valueHint: "HOST:PORT[/PROTOCOL]",
    value: "published-port",
    description: "Publish a port of the container on the host",
    details:
      "In full IP:HOST:PORT/PROTOCOL: without HOST any free port, without IP all addresses of the host. Ranges are HOST-HOST:PORT-PORT of the same length; a range of host ports for one port takes the first free one, none at all any free one. IPv6 addresses stand in brackets. The protocol is tcp or udp.",
  },
  "publish-all": {
    type: "boolean",
    alias: "P",
    description: "Publish every port that the image or --expose names, on free ports of the host",
  },
  expose: {
    type: "string",
    multiple: true,
    valueHint: "PORT[/PROTOCOL]",
    value: "exposed-port",
    description: "Name a port, or a range, for --publish-all",
  },
  dns: {
    type: "string",
    multiple: true,
    valueHint: "ADDRESS",
    value: "none",
    description: "Name server to ask in place of the host's; none leaves the image's /etc/resolv.conf",
  },
  "dns-search": {
    type: "string",
    multiple: true,
    valueHint: "DOMAIN",
    value: "none",
    description: "Domain to search names in, in place of the host's; . for none",
  },
  "dns-option": {
    type: "string",
    hiddenNames: ["dns-opt"],
    multiple: true,
    valueHint: "OPTION",
    value: "none",
    description: "Option of the resolver in /etc/resolv.conf",
  },
  link: {
    type: "string",
    multiple: true,
    valueHint: "CONTAINER[:ALIAS]",
    value: "container-link",
    description: "Know a running container by an alias, and its ports and variables by variables",
    details:
      "docker's old way: a line in /etc/hosts, and on the default network variables such as ALIAS_PORT. Containers of networks that users have made find each other by their names.",
  },
  "link-local-ip": {
    type: "string",
    multiple: true,
    valueHint: "ADDRESS",
    hidden: true,
    description: "Refused: link-local addresses cannot be chosen",
  },
} as const satisfies Args;

export type NetworkValues = Values<typeof networkArgs>;

/** The readers of a connection's own options, for those that have some. */
const connection = () => require("./_connection-options") as typeof import("./_connection-options");

export type NetworkOptions = {
  NetworkMode: string;
  EndpointsConfig: Record<string, EndpointSettings>;
};

const fail = (on: string, why: string, hint?: string): EngineError =>
  new EngineError("invalid", "network", on, why, { hint });

/** @throws `invalid`, `unsupported` */
export function networkOptionsFrom(args: NetworkValues): NetworkOptions {
  const [linkLocal] = args["link-local-ip"];
  if (linkLocal !== undefined)
    throw new EngineError("unsupported", "network", `link-local-ip=${linkLocal}`, connection().LINK_LOCAL);
  const networks = args.network.map(parseNetworkOption);
  const [first = { mode: "default", endpoint: {} }] = networks;
  const kind = parseNetworkMode(first.mode).kind;
  const isPlain = (["ip", "ip6", "mac-address"] as const).every((name) => args[name] === undefined);
  const ofFirst =
    isPlain && args["network-alias"].length === 0
      ? first.endpoint
      : connection().withSingleOptions(first, args);
  if (networks.length <= 1 && kind !== "bridge") {
    if (Object.keys(ofFirst).length === 0) return { NetworkMode: first.mode, EndpointsConfig: {} };
    if (kind === "default") return { NetworkMode: "bridge", EndpointsConfig: { bridge: ofFirst } };
    throw fail(first.mode, `an address, a MAC address or an alias needs a network of proa's own`);
  }
  const EndpointsConfig: Record<string, EndpointSettings> = {};
  for (const { mode, endpoint } of [{ ...first, endpoint: ofFirst }, ...networks.slice(1)]) {
    const name = networkName(mode);
    if (Object.hasOwn(EndpointsConfig, name)) throw fail(name, "it is named twice");
    EndpointsConfig[name] = endpoint;
  }
  return { NetworkMode: networkName(first.mode), EndpointsConfig };
}

function networkName(mode: string): string {
  const parsed = parseNetworkMode(mode);
  if (parsed.kind === "bridge") return parsed.network;
  if (parsed.kind === "default") return "bridge";
  throw fail(mode, "it cannot be combined with other networks");
}

/** Modes that are no networks; what is behind their colon is their own. */
const MODES = new Set(["container", "ns", "slirp4netns", "pasta", "none", "host"]);

/** One `--network`: docker's `name=…,key=value` where it begins with a key, else `NAME[:key=value,…]`. */
function parseNetworkOption(text: string): { mode: string; endpoint: EndpointSettings } {
  if (/^[a-z0-9-]+=/.test(text)) return connection().parseLongForm(text);
  const [name = "", ...rest] = text.split(":");
  if (name === "") throw fail(JSON.stringify(text), "it has no name");
  if (rest.length === 0 || MODES.has(name)) {
    parseNetworkMode(text); // a fault in it is one of the command line
    return { mode: text, endpoint: {} };
  }
  const endpoint: EndpointSettings = {};
  for (const option of rest.join(":").split(",")) connection().readOption(text, endpoint, option);
  return { mode: name, endpoint };
}

export type PortOptions = {
  ExposedPorts: Record<string, Record<string, never>>;
  PortBindings: PortMap;
};

/** What `--publish` and `--expose` ask for; a published port is exposed. @throws `invalid`, `unsupported` */
export function portOptionsFrom(args: NetworkValues): PortOptions {
  const PortBindings = parsePublished(args.publish);
  const exposed = [...args.expose.flatMap(parseExposed), ...Object.keys(PortBindings)];
  return { ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])), PortBindings };
}

/** podman's `--dns none`: the image's /etc/resolv.conf is left as it is. */
export function leavesResolvConf({ dns }: NetworkValues): boolean {
  return dns.length === 1 && dns[0] === "none";
}

/** @throws `invalid` */
export function checkDns(args: NetworkValues): void {
  const isLeft = leavesResolvConf(args);
  if (isLeft && args["dns-search"].length + args["dns-option"].length > 0)
    throw new EngineError(
      "invalid",
      "dns",
      "none",
      "it leaves nothing to write --dns-search or --dns-option to",
    );
  for (const address of isLeft ? [] : args.dns) {
    if (!isAddress(address)) throw new EngineError("invalid", "dns", address, "it is not an IP address");
  }
  for (const domain of args["dns-search"]) {
    if (!/^(\.|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?)$/.test(domain))
      throw new EngineError("invalid", "dns search", JSON.stringify(domain), "it is no domain");
  }
  for (const option of args["dns-option"]) {
    if (!/^[a-z0-9-]+(:\d{1,9})?$/.test(option))
      throw new EngineError("invalid", "dns option", JSON.stringify(option), "expected NAME or NAME:NUMBER");
  }
}
