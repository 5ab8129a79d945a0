/** What the options say of one connection: addresses, names, options of its driver. */
import { EngineError } from "../../error";
import { type EndpointSettings, isAddress, parseNetworkMode } from "../../oci";
import type { NetworkValues } from "./_network-options";

export const LINK_LOCAL = "link-local addresses cannot be chosen";

const fail = (on: string, why: string, hint?: string): EngineError =>
  new EngineError("invalid", "network", on, why, { hint });

/** docker's `name=NETWORK,key=value`. */
export function parseLongForm(text: string): { mode: string; endpoint: EndpointSettings } {
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
export function readOption(text: string, endpoint: EndpointSettings, option: string): void {
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
export function withSingleOptions(
  first: { endpoint: EndpointSettings },
  args: NetworkValues,
): EndpointSettings {
  const endpoint = { ...first.endpoint };
  if (args.ip !== undefined) setAddress(endpoint, "IPv4Address", args.ip);
  if (args.ip6 !== undefined) setAddress(endpoint, "IPv6Address", args.ip6);
  if (args["mac-address"] !== undefined) setMac(endpoint, args["mac-address"]);
  const aliases = args["network-alias"].map(aliasOf);
  if (aliases.length > 0) endpoint.Aliases = [...(endpoint.Aliases ?? []), ...aliases];
  return endpoint;
}
