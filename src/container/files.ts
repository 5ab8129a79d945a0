/** /etc/hosts, /etc/hostname and /etc/resolv.conf of a container, made beside its bundle and bound over the image's. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { type ContainerSpec, isAddress } from "../oci";

const LOCAL_HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/** The host as containers see it, at these addresses or none. */
const HOST_NAMES = "host.containers.internal host.docker.internal";

/** What an address in `--add-host` stands for that is only known at the start. */
export const HOST_GATEWAY = "host-gateway";

/** glibc and musl read no more name servers than this (resolv.conf(5), MAXNS). */
const NAME_SERVERS = 3;

const names = ["hosts", "hostname", "resolv.conf"] as const;

export type HostFiles = Record<(typeof names)[number], string>;

/** Where the three lie, by the path that they have in the container. `directory` is that of a container. */
export function hostFilePaths(directory: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`/etc/${name}`, join(directory, name)]));
}

/** Write the files; over ones that are there, which may be mounted. */
export function writeHostFiles(directory: string, contents: Partial<HostFiles>): void {
  for (const [name, text] of Object.entries(contents)) {
    writeFileSync(join(directory, name), text, { mode: 0o644 });
  }
}

/** What the files of a container say, as far as its network decides it. */
export type Surroundings = {
  /** Its own addresses, each with the names behind its host name. */
  own: { address: string; names: readonly string[] }[];
  /** Where the host is reached; empty where it is not. */
  host: readonly string[];
  /** Asked for names; empty: nobody. */
  nameServers: readonly string[];
  /** Single names are asked as they are before they are searched: netd answers them. */
  isNameService: boolean;
};

/** A container that has only itself. */
export const ALONE: Surroundings = { own: [], host: [], nameServers: [], isNameService: false };

export function hostFilesOf(spec: ContainerSpec, around: Surroundings): HostFiles {
  return {
    hosts: hostsText(spec, around),
    hostname: `${spec.Hostname}\n`,
    "resolv.conf": resolvText(spec, around, readIfThere("/etc/resolv.conf")),
  };
}

/** With the host's network its names and resolvers are the container's. */
export function hostFilesOfHost(spec: ContainerSpec): HostFiles {
  const { Dns, DnsSearch, DnsOptions } = spec.HostConfig;
  const resolv = readIfThere("/etc/resolv.conf");
  const isOwn = Dns.length + DnsSearch.length + DnsOptions.length > 0;
  const own = { ...ALONE, nameServers: Dns.length > 0 ? Dns : nameServersOf(resolv) };
  const hosts = (spec.HostConfig.HostsFile ? baseHosts(spec) : readIfThere("/etc/hosts")) || LOCAL_HOSTS;
  return {
    hosts: `${hosts.replace(/\n*$/, "\n")}${extraLines(spec, ["127.0.0.1"])}127.0.0.1\t${HOST_NAMES}\n`,
    hostname: `${spec.Hostname}\n`,
    "resolv.conf": isOwn ? resolvText(spec, own, resolv) : resolv,
  };
}

export function hostsText(spec: ContainerSpec, around: Surroundings): string {
  const name = spec.Domainname ? `${spec.Hostname}.${spec.Domainname} ${spec.Hostname}` : spec.Hostname;
  const own = around.own.length > 0 ? around.own : [{ address: "127.0.1.1", names: [] }];
  const ownLines = own.map(({ address, names: further }) => {
    const others = new Set(further.filter((each) => each !== spec.Hostname));
    return `${[address, [name, ...others].join(" ")].join("\t")}\n`;
  });
  const hostLines = around.host.map((address) => `${address}\t${HOST_NAMES}\n`);
  return [baseHosts(spec), extraLines(spec, around.host), ...ownLines, ...hostLines].join("");
}

/** What the file begins with. Throws `io` where the user's own cannot be read. */
function baseHosts({ HostConfig: { HostsFile } }: ContainerSpec): string {
  if (!HostsFile) return LOCAL_HOSTS;
  if (HostsFile === "none") return "";
  try {
    return readFileSync(HostsFile, "utf8").replace(/\n*$/, "\n");
  } catch (error) {
    throw new EngineError("io", "hosts file", HostsFile, error);
  }
}

function extraLines(spec: ContainerSpec, host: readonly string[]): string {
  const lines = spec.HostConfig.ExtraHosts.flatMap((line) => {
    const [name, address] = parseExtraHost(line);
    const addresses = address === HOST_GATEWAY ? host : [address];
    if (addresses.length > 0) return addresses.map((each) => `${each}\t${name}\n`);
    throw new EngineError(
      "unsupported",
      "extra host",
      line,
      "the container's network has no way to the host",
      {
        hint: "give an address in place of host-gateway",
      },
    );
  });
  return lines.join("");
}

/** `name:address` or `name=address`; the address may be an IPv6 one, with or without brackets, or `host-gateway`. Throws `invalid`. */
export function parseExtraHost(line: string): [host: string, address: string] {
  const match = /^([^:=\s]+)[:=](\S+)$/.exec(line);
  const address = match?.[2]?.replace(/^\[(.*)\]$/, "$1") ?? "";
  if (match?.[1] && (address === HOST_GATEWAY || isAddress(address))) return [match[1], address];
  throw new EngineError("invalid", "extra host", line || '""', "expected NAME:ADDRESS", {
    hint: "the address is an IP address, or host-gateway",
  });
}

/** `host` is the text of the host's own file: what the user does not say is taken from there. */
export function resolvText(spec: ContainerSpec, around: Surroundings, host: string): string {
  const { DnsSearch } = spec.HostConfig;
  const search = DnsSearch.length > 0 ? DnsSearch.filter((domain) => domain !== ".") : searchOf(host);
  const options = optionsFor(spec, around, host);
  const isUsed = around.nameServers.length > 0;
  return [
    ...around.nameServers.slice(0, NAME_SERVERS).map((address) => `nameserver ${address}\n`),
    ...((isUsed || DnsSearch.length > 0) && search.length > 0 ? [`search ${search.join(" ")}\n`] : []),
    ...((isUsed || spec.HostConfig.DnsOptions.length > 0) && options.length > 0
      ? [`options ${options.join(" ")}\n`]
      : []),
  ].join("");
}

/** Options that netd itself obeys towards the host's servers. */
const UPSTREAM_OPTIONS = /^(ndots:.*|timeout:.*|attempts:.*|use-vc|rotate)$/;

function optionsFor(spec: ContainerSpec, { isNameService }: Surroundings, host: string): string[] {
  const asked = spec.HostConfig.DnsOptions;
  const ofHost = linesOf(host, "options").flat();
  if (!isNameService) return asked.length > 0 ? asked : ofHost;
  const options = asked.length > 0 ? asked : ofHost.filter((option) => !UPSTREAM_OPTIONS.test(option));
  // else the name of a container would be asked first with the host's domain behind it, outside
  return options.some((option) => option.startsWith("ndots:")) ? options : [...options, "ndots:0"];
}

/** The last line counts, of `search` and `domain` (resolv.conf(5)). */
function searchOf(text: string): string[] {
  return [...text.matchAll(/^(?:search|domain)[ \t]+(.*)$/gm)].at(-1)?.[1]?.trim().split(/\s+/) ?? [];
}

function linesOf(text: string, key: string): string[][] {
  return [...text.matchAll(new RegExp(`^${key}[ \\t]+(.*)$`, "gm"))].map((match) =>
    (match[1] ?? "").trim().split(/\s+/),
  );
}

/** Every name server of a resolv.conf. */
export function nameServersOf(text: string): string[] {
  return linesOf(text, "nameserver").flatMap(([address = ""]) => (isAddress(address) ? [address] : []));
}

/** systemd-resolved's own list of servers, where /etc/resolv.conf names only itself. */
const RESOLVED_SERVERS = "/run/systemd/resolve/resolv.conf";

/** The host's name servers that can be reached from elsewhere than the host's loopback. */
export function reachableNameServers(): string[] {
  const reachable = (path: string) =>
    nameServersOf(readIfThere(path)).filter((address) => !/^(127\.|::1$)/.test(address));
  const found = reachable("/etc/resolv.conf");
  return found.length > 0 ? found : reachable(RESOLVED_SERVERS);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // a host without name servers
  }
}
