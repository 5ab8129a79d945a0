import { isLoopback } from "./_endpoint";

/** Proxies by the environment, as curl and Go's net/http read it: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY in either case. */

type Environment = Record<string, string | undefined>;

/** The proxy's URL for a request, or undefined for a direct connection. This machine is never asked for through a proxy. */
export function proxyFor(url: URL, env: Environment): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (isLoopback(host) || isExempt(host, portOf(url), read(env, "NO_PROXY") ?? "")) return undefined;
  const specific = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = read(env, specific) ?? read(env, "ALL_PROXY");
  if (proxy === undefined || proxy === "") return undefined;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

function read(env: Environment, name: string): string | undefined {
  return env[name.toLowerCase()] || env[name] || undefined;
}

function portOf(url: URL): string {
  return url.port || (url.protocol === "https:" ? "443" : "80");
}

/** Entries: `*`, `host`, `.domain`, `host:port`, an address, a block `10.0.0.0/8`. A name covers its subdomains. */
function isExempt(host: string, port: string, list: string): boolean {
  return list
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== "" && matches(entry, host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return isInBlock(host, entry);
  const withPort = /^(.+):(\d+)$/.exec(entry);
  if (withPort !== null && !withPort[1]?.includes(":") && withPort[2] !== port) return false;
  const name = (withPort?.[1]?.includes(":") ? entry : (withPort?.[1] ?? entry)).replace(/^\*?\./, "");
  return host === name || host.endsWith(`.${name}`);
}

function isInBlock(host: string, block: string): boolean {
  const [network = "", bits = ""] = block.split("/");
  const address = addressOf(host);
  const base = addressOf(network);
  const length = Number(bits);
  if (address === undefined || base === undefined || !Number.isInteger(length) || length < 0 || length > 32)
    return false;
  const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
  return (address & mask) >>> 0 === (base & mask) >>> 0;
}

/** An IPv4 address as a number. */
function addressOf(text: string): number | undefined {
  const parts = text.split(".").map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : -1));
  if (parts.length !== 4 || parts.some((part) => part < 0 || part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}
