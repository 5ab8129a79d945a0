/** A container's network by slirp4netns or pasta, where they are installed: their options, and the ports that they forward. */
import { EngineError } from "../error";
import type { LivePort, PortPlan } from "../helper";
import type { ContainerSpec } from "../oci";
import { type Context, replaceFile } from "../state";
import { hostFilesOf, reachableNameServers, type Surroundings, writeHostFiles } from "./files";
import type { NetworkRequests } from "./network";
import { containerDirectory, portsFile } from "./places";
import { portPlans } from "./ports";

type Kind = "slirp4netns" | "pasta";
type Mode = { kind: Kind; options: string[] };

/** Where pasta answers names, an address that the host hardly has: podman's choice as well. */
const PASTA_DNS = "169.254.1.1";

/** What is fixed before the start; the ports are chosen in it. */
type Usernet = {
  args: string[];
  around: Surroundings;
  /** Where forwarded ports lead to: slirp4netns wants it. */
  guestAddress: string;
};

/** @returns the `connect` of a NetworkStart. Throws `not-found` where the program is missing, `invalid` for options it does not have */
export async function prepareUsernet(
  context: Context,
  id: string,
  spec: ContainerSpec,
  { kind, options }: Mode,
): Promise<(name: string) => NetworkRequests> {
  const program = programOf(kind);
  const usernet = kind === "pasta" ? pasta(context, spec, options) : slirp4netns(spec, options);
  const plans = kind === "pasta" ? portPlans(spec) : portPlans(spec).map(ofSlirp4netns);
  const ports = plans.length > 0 ? await chosenPorts(plans) : [];
  const args = kind === "pasta" ? [...usernet.args, ...pastaPorts(usernet.args, ports)] : usernet.args;
  return () => {
    writeHostFiles(containerDirectory(context, id), hostFilesOf(spec, usernet.around));
    if (ports.length > 0) writePorts(context, id, ports);
    const { guestAddress } = usernet;
    return { usernet: { kind, program, args, ports: kind === "pasta" ? [] : ports, guestAddress } };
  };
}

/** It listens on IPv4 only. */
function ofSlirp4netns(port: PortPlan): PortPlan {
  if (!port.hostAddress.includes(":")) return { ...port, hostAddress: port.hostAddress || "0.0.0.0" };
  throw new EngineError(
    "unsupported",
    "publish port",
    `[${port.hostAddress}]`,
    "slirp4netns listens on IPv4 only",
    {
      hint: "the default network publishes on both",
    },
  );
}

function programOf(kind: Kind): string {
  const path = Bun.which(kind);
  if (path) return path;
  const packageName = kind === "pasta" ? "passt" : kind;
  throw new EngineError("not-found", "network", kind, "the program is not installed", {
    hint: `install it (Debian: apt-get install ${packageName}), or leave --network out: proa's own needs none`,
  });
}

/** Podman's options of slirp4netns. */
function slirp4netns(spec: ContainerSpec, options: readonly string[]): Usernet {
  const fail = (option: string, why: string): EngineError =>
    new EngineError("invalid", "network slirp4netns", option, why, {
      hint: "known: allow_host_loopback, mtu, cidr, enable_ipv6, outbound_addr, outbound_addr6, port_handler=slirp4netns",
    });
  const given = new Map<string, string>();
  for (const option of options) {
    const cut = option.indexOf("=");
    if (cut < 1) throw fail(option, "expected NAME=VALUE");
    given.set(option.slice(0, cut), option.slice(cut + 1));
  }
  const take = (name: string, pattern: RegExp, usual: string): string => {
    const value = given.get(name) ?? usual;
    given.delete(name);
    if (!pattern.test(value)) throw fail(`${name}=${value}`, "the value does not fit");
    return value;
  };
  const flag = (name: string, usual: string): boolean => take(name, /^(true|false)$/, usual) === "true";
  const loopback = flag("allow_host_loopback", "false");
  const ipv6 = flag("enable_ipv6", "true");
  const mtu = take("mtu", /^\d{2,5}$/, "65520");
  const cidr = take("cidr", /^\d+\.\d+\.\d+\.0\/(8|9|1\d|2[0-5])$/, "10.0.2.0/24");
  const handler = take("port_handler", /^(slirp4netns|rootlesskit)$/, "slirp4netns");
  if (handler === "rootlesskit") {
    throw new EngineError(
      "unsupported",
      "network slirp4netns",
      "port_handler=rootlesskit",
      "slirp4netns forwards the ports itself",
      {
        hint: "the default network keeps the clients' addresses",
      },
    );
  }
  const outbound = (["outbound_addr", "outbound_addr6"] as const).flatMap((name) => {
    const value = take(name, /^[\w.:-]*$/, "");
    return value === "" ? [] : [`--${name.replace("_", "-")}=${value}`];
  });
  const [unknown] = given.keys();
  if (unknown !== undefined) throw fail(unknown, "unknown option");
  const base = cidr.replace(/\.0\/\d+$/, "");
  const gateway = `${base}.2`;
  return {
    args: [
      "--configure",
      ...(loopback ? [] : ["--disable-host-loopback"]),
      ...(ipv6 ? ["--enable-ipv6"] : []),
      `--mtu=${mtu}`,
      `--cidr=${cidr}`,
      "--enable-sandbox",
      "--enable-seccomp",
      ...outbound,
    ],
    around: {
      own: [{ address: `${base}.100`, names: [] }],
      host: loopback ? [gateway] : [],
      nameServers: spec.HostConfig.Dns.length > 0 ? spec.HostConfig.Dns : [`${base}.3`],
      isNameService: false,
    },
    guestAddress: `${base}.100`,
  };
}

/** Options go to pasta as they are, podman's way; what they do not say is closed. */
function pasta(context: Context, spec: ContainerSpec, options: readonly string[]): Usernet {
  const given = options.filter((option) => option !== "--map-gw");
  const mapsGateway = given.length < options.length;
  const has = (...names: string[]): boolean =>
    options.some((option) => names.some((name) => option === name || option.startsWith(`${name}=`)));
  const forbidden = options.find((option) =>
    /^(-P|--pid|-f|--foreground|--netns|--userns|--netns-only|-l|--log-file|--runas)(=|$)/.test(option),
  );
  if (forbidden !== undefined)
    throw new EngineError("invalid", "network pasta", forbidden, "proa decides this itself");
  const args = [
    ...given,
    ...(context.uid === 0 ? ["--runas", "0"] : []), // as nobody, which it would be, it could not enter the namespaces
    ...(has("--config-net") ? [] : ["--config-net"]),
    ...(mapsGateway ? [] : ["--no-map-gw"]),
    ...(has("-T", "--tcp-ns") ? [] : ["-T", "none"]),
    ...(has("-U", "--udp-ns") ? [] : ["-U", "none"]),
    ...(has("--dns-forward") ? [] : ["--dns-forward", PASTA_DNS]),
    ...(has("-d", "--debug", "--trace", "-q", "--quiet") ? [] : ["--quiet"]),
  ];
  const { Dns } = spec.HostConfig;
  const own = has("--dns-forward") ? reachableNameServers() : [PASTA_DNS];
  return {
    args,
    around: { own: [], host: [], nameServers: Dns.length > 0 ? Dns : own, isNameService: false },
    guestAddress: "",
  };
}

/** `-t ADDRESS/HOST:PORT` each; where nothing is published pasta is told so. */
function pastaPorts(args: readonly string[], ports: readonly LivePort[]): string[] {
  return (["tcp", "udp"] as const).flatMap((protocol) => {
    const flag = protocol === "tcp" ? "-t" : "-u";
    const isGiven = args.some((arg) => arg === flag || arg.startsWith(`--${protocol}-ports`));
    const published = ports.filter((port) => port.protocol === protocol);
    if (published.length === 0) return isGiven ? [] : [flag, "none"];
    return published.flatMap(({ hostAddress, hostPort, containerPort }) => [
      flag,
      `${hostAddress === "" ? "" : `${hostAddress}/`}${hostPort}:${containerPort}`,
    ]);
  });
}

/** The ports that are taken: neither program chooses one. */
async function chosenPorts(plans: readonly PortPlan[]): Promise<LivePort[]> {
  const chosen: LivePort[] = [];
  for (const { protocol, hostAddress, hostFirst, hostLast, containerPort } of plans) {
    const hostPort =
      hostFirst === hostLast && hostFirst !== 0
        ? hostFirst
        : await freePort(protocol, hostAddress, hostFirst, hostLast, chosen);
    chosen.push({ protocol, hostAddress, hostPort, containerPort });
  }
  return chosen;
}

async function freePort(
  protocol: "tcp" | "udp",
  address: string,
  first: number,
  last: number,
  chosen: readonly LivePort[],
): Promise<number> {
  const isChosen = (port: number) =>
    chosen.some((each) => each.protocol === protocol && each.hostPort === port);
  for (let port = first; port <= last; port++) {
    const found = await tryPort(protocol, address, port);
    if (found !== null && !isChosen(found)) return found;
    if (first === 0 && found !== null) port = -1; // another one by chance
  }
  throw new EngineError("in-use", "publish port", `${first}-${last}/${protocol}`, "none of these is free");
}

/** The port that can be bound now, or null. 0: any. */
async function tryPort(protocol: "tcp" | "udp", address: string, port: number): Promise<number | null> {
  const hostname = address === "" ? "0.0.0.0" : address;
  try {
    if (protocol === "udp") {
      const socket = await Bun.udpSocket({ hostname, port });
      const { port: found } = socket;
      socket.close();
      return found;
    }
    const server = Bun.listen({ hostname, port, socket: { data: () => {} } });
    const { port: found } = server;
    server.stop(true);
    return found;
  } catch {
    return null;
  }
}

function writePorts(context: Context, id: string, ports: readonly LivePort[]): void {
  replaceFile(portsFile(context, id), JSON.stringify(ports));
}
