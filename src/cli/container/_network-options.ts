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
    value: "network",
    description: "Network to connect to; may be repeated",
    details:
      "The name of a network (the default one is proa, also called bridge), with options behind it: NAME:ip=ADDRESS,ip6=ADDRESS,mac=ADDRESS,alias=NAME,interface_name=NAME,host-loopback; or name=NAME,alias=NAME,ip=ADDRESS,mac-address=ADDRESS,driver-opt=KEY=VALUE. host-loopback lets host.containers.internal reach the loopback of the host. none: loopback only. host: the network of the host. container:NAME: that of another container, with its user namespace. ns:PATH: a network namespace. slirp4netns[:OPTIONS] and pasta[:OPTIONS]: by these programs, where they are installed.",
  },
  ip: { type: "string", valueHint: "ADDRESS", description: "IPv4 address in the network" },
  ip6: { type: "string", valueHint: "ADDRESS", description: "IPv6 address in the network" },
  "mac-address": { type: "string", valueHint: "ADDRESS", description: "MAC address of the interface" },
  "network-alias": {
    type: "string",
    hiddenNames: ["net-alias"],
    multiple: true,
    valueHint: "NAME",
    description: "A further name that the container answers to in its network",
  },
  publish: {
    type: "string",
    alias: "p",
    multiple: true,
    valueHint: "HOST:PORT[/PROTOCOL]",
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
    description: "Name a port, or a range, for --publish-all",
  },
  dns: {
    type: "string",
    multiple: true,
    valueHint: "ADDRESS",
    description: "Name server to ask in place of the host's",
  },
  "dns-search": {
    type: "string",
    multiple: true,
    valueHint: "DOMAIN",
    description: "Domain to search names in, in place of the host's; . for none",
  },
  "dns-option": {
    type: "string",
    hiddenNames: ["dns-opt"],
    multiple: true,
    valueHint: "OPTION",
    description: "Option of the resolver in /etc/resolv.conf",
  },
  link: {
    type: "string",
    multiple: true,
    valueHint: "CONTAINER[:ALIAS]",
    value: "container",
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

type NetworkValues = Values<typeof networkArgs>;

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
    throw new EngineError("unsupported", "network", `link-local-ip=${linkLocal}`, LINK_LOCAL);
  const networks = args.network.map(parseNetworkOption);
  const [first = { mode: "default", endpoint: {} }] = networks;
  const kind = parseNetworkMode(first.mode).kind;
  const ofFirst = withSingleOptions(first, args);
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

const LINK_LOCAL = "link-local addresses cannot be chosen";

/** Modes that are no networks; what is behind their colon is their own. */
const MODES = new Set(["container", "ns", "slirp4netns", "pasta", "none", "host"]);

/** One `--network`: docker's `name=…,key=value` where it begins with a key, else `NAME[:key=value,…]`. */
function parseNetworkOption(text: string): { mode: string; endpoint: EndpointSettings } {
  if (/^[a-z0-9-]+=/.test(text)) return parseLongForm(text);
  const [name = "", ...rest] = text.split(":");
  if (name === "") throw fail(JSON.stringify(text), "it has no name");
  if (rest.length === 0 || MODES.has(name)) {
    parseNetworkMode(text); // a fault in it is one of the command line
    return { mode: text, endpoint: {} };
  }
  const endpoint: EndpointSettings = {};
  for (const option of rest.join(":").split(",")) readOption(text, endpoint, option);
  return { mode: name, endpoint };
}

function parseLongForm(text: string): { mode: string; endpoint: EndpointSettings } {
  const endpoint: EndpointSettings = {};
  let name: string | undefined;
  for (const option of text.split(",")) {
    const value = /^name=(.*)$/.exec(option)?.[1];
    if (value === undefined) readOption(text, endpoint, option);
    else if (name !== undefined) throw fail(text, "it has two names");
    else name = value;
  }
  if (!name) throw fail(text, "it has no name", "expected name=NETWORK,KEY=VALUE");
  const { kind } = parseNetworkMode(name);
  if (kind !== "bridge" && kind !== "default" && text.includes(","))
    throw fail(text, `"${name}" takes no options`);
  return { mode: name, endpoint };
}

const KNOWN = "known: ip, ip6, mac, alias, interface_name, host-loopback, gw-priority, driver-opt";

/** Read one option of a connection into ENDPOINT. */
function readOption(text: string, endpoint: EndpointSettings, option: string): void {
  const cut = option.indexOf("=");
  const key = cut < 0 ? option : option.slice(0, cut);
  const value = cut < 0 ? "" : option.slice(cut + 1);
  if (key === "host-loopback") {
    if (!/^(|true|false)$/.test(value)) throw fail(text, "host-loopback is true or false");
    setDriverOption(endpoint, key, value || "true");
    return;
  }
  const set = Object.hasOwn(setters, key) ? setters[key] : undefined;
  if (key === "link-local-ip") throw new EngineError("unsupported", "network", text, LINK_LOCAL);
  if (set === undefined)
    throw fail(text, key === "" ? "an option is missing" : `unknown option "${key}"`, KNOWN);
  if (value === "") throw fail(text, `option "${key}" has no value`);
  set(endpoint, value);
}

const setters: Record<string, (endpoint: EndpointSettings, value: string) => void> = {
  ip: (endpoint, value) => setAddress(endpoint, "IPv4Address", value),
  ip6: (endpoint, value) => setAddress(endpoint, "IPv6Address", value),
  mac: setMac,
  "mac-address": setMac,
  alias: (endpoint, value) => {
    endpoint.Aliases = [...(endpoint.Aliases ?? []), aliasOf(value)];
  },
  interface_name: (endpoint, value) => setDriverOption(endpoint, IFNAME, value),
  "gw-priority": (endpoint, value) => {
    if (!/^-?\d{1,9}$/.test(value)) throw fail(`gw-priority=${value}`, "it is a whole number");
    endpoint.GwPriority = Number(value);
  },
  "driver-opt": (endpoint, value) => {
    const [name = "", ...rest] = value.split("=");
    setDriverOption(endpoint, name, rest.join("="));
  },
};

const IFNAME = "com.docker.network.endpoint.ifname";

function setDriverOption(endpoint: EndpointSettings, name: string, value: string): void {
  if (name !== IFNAME && name !== "host-loopback")
    throw new EngineError("unsupported", "driver-opt", name || '""', "no such option of a connection", {
      hint: `known: ${IFNAME}, host-loopback`,
    });
  if (name === IFNAME && !/^[A-Za-z0-9_.-]{1,15}$/.test(value))
    throw fail(JSON.stringify(value), "an interface name has 15 letters, digits, _ . - at most");
  endpoint.DriverOpts = { ...endpoint.DriverOpts, [name]: value };
}

function setAddress(endpoint: EndpointSettings, field: "IPv4Address" | "IPv6Address", value: string): void {
  const family = field === "IPv4Address" ? "IPv4" : "IPv6";
  if (!isAddress(value) || value.includes(":") !== (family === "IPv6"))
    throw new EngineError(
      "invalid",
      family === "IPv4" ? "ip" : "ip6",
      value,
      `it is not an ${family} address`,
    );
  if (endpoint.IPAMConfig?.[field] !== undefined) throw fail(value, `a second ${family} address`);
  endpoint.IPAMConfig = { ...endpoint.IPAMConfig, [field]: value };
}

function setMac(endpoint: EndpointSettings, value: string): void {
  const match = /^([0-9a-f]{2})([:-])(?:[0-9a-f]{2}\2){4}[0-9a-f]{2}$/i.exec(value);
  if (!match)
    throw new EngineError("invalid", "mac address", value, "expected six bytes, as in 02:42:ac:11:00:02");
  if (Number.parseInt(match[1] ?? "", 16) % 2 === 1)
    throw new EngineError("invalid", "mac address", value, "it is that of a group: its first byte is odd");
  if (endpoint.MacAddress !== undefined) throw fail(value, "a second MAC address");
  endpoint.MacAddress = value.toLowerCase().replaceAll("-", ":");
}

/** A name as DNS has it, with underscores as people use them. */
function aliasOf(text: string): string {
  if (
    text.length <= 253 &&
    /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*$/.test(text)
  )
    return text;
  throw new EngineError("invalid", "network alias", JSON.stringify(text), "it is no name of a host");
}

/** `--ip`, `--ip6`, `--mac-address` and `--network-alias` are of the first network. */
function withSingleOptions(first: { endpoint: EndpointSettings }, args: NetworkValues): EndpointSettings {
  const endpoint = { ...first.endpoint };
  if (args.ip !== undefined) setAddress(endpoint, "IPv4Address", args.ip);
  if (args.ip6 !== undefined) setAddress(endpoint, "IPv6Address", args.ip6);
  if (args["mac-address"] !== undefined) setMac(endpoint, args["mac-address"]);
  const aliases = args["network-alias"].map(aliasOf);
  if (aliases.length > 0) endpoint.Aliases = [...(endpoint.Aliases ?? []), ...aliases];
  return endpoint;
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

/** @throws `invalid` */
export function checkDns(args: NetworkValues): void {
  for (const address of args.dns) {
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
