/** A container on networks of proa's own: its addresses, its files, and the plan that its supervisor gives to netd. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { callHelper, type NetworkRequest, type PortPlan } from "../helper";
import {
  defaultNetwork,
  deniedSubnets,
  type Endpoint,
  type EndpointPlan,
  endpointPlans,
  endpointsOf,
  findNetwork,
  gatewayOf,
  HOST_V4,
  HOST_V6,
  hostBindingOf,
  keepEndpoints,
  type NetworkPlan,
  reserveEndpoints,
  usedNetworkPlans,
  type WantedEndpoint,
} from "../network";
import { type ContainerSpec, type EndpointSettings, parseNetworkMode } from "../oci";
import { type ContainerRow, type Context, replaceFile } from "../state";
import {
  type HostFiles,
  hostFilesOf,
  reachableNameServers,
  type Surroundings,
  writeHostFiles,
} from "./files";
import type { NetworkRequests } from "./network";
import { containerDirectory, networkPlanFile, runDirectory } from "./places";
import { portPlans } from "./ports";
import { specOf } from "./spec";

/** `network.json`: `native/PROTOCOL.md`, "Networks". */
type Plan = {
  container: string;
  name: string;
  networks: NetworkPlan[];
  endpoints: EndpointPlan[];
  ports: PortPlan[];
  resolvers: string[];
};

/**
 * The connections that a start asks for. Throws `not-found` where a network has been removed.
 *
 * @param id null for a container that is not there yet
 * @returns undefined: those that are kept since its creation
 */
export function wantedEndpoints(
  context: Context,
  id: string | null,
  spec: ContainerSpec,
): WantedEndpoint[] | undefined {
  if (id !== null && endpointsOf(context, id).length > 0) return undefined;
  const mode = parseNetworkMode(spec.HostConfig.NetworkMode);
  const asked = new Map(Object.entries(spec.NetworkingConfig.EndpointsConfig));
  const first = mode.kind === "bridge" ? mode.network : "bridge";
  const order = [first, ...[...asked.keys()].filter((name) => name !== first)];
  return order.map((name) => {
    const network = networkNamed(context, name);
    return { ...configOf(asked.get(name)), network };
  });
}

function networkNamed(context: Context, name: string) {
  if (name === "bridge") return defaultNetwork(context);
  const network = findNetwork(context, "connect container", name);
  if (network.driver === "bridge") return network;
  throw new EngineError("invalid", "connect container", name, "it cannot be combined with other networks");
}

/** What the Engine API says of a connection, in our words. */
export function configOf(settings: EndpointSettings = {}): Omit<WantedEndpoint, "network"> {
  const { IPAMConfig, Aliases, MacAddress, DriverOpts, GwPriority } = settings;
  const { "com.docker.network.endpoint.ifname": ifname, "host-loopback": hostLoopback } = DriverOpts ?? {};
  return {
    ...(IPAMConfig?.IPv4Address ? { ipv4: IPAMConfig.IPv4Address } : {}),
    ...(IPAMConfig?.IPv6Address ? { ipv6: IPAMConfig.IPv6Address } : {}),
    ...(MacAddress ? { mac: MacAddress } : {}),
    ...(Aliases && Aliases.length > 0 ? { aliases: Aliases } : {}),
    ...(ifname === undefined ? {} : { interface: ifname }),
    ...(hostLoopback === undefined ? {} : { hostLoopback: hostLoopback === "true" }),
    ...(GwPriority === undefined ? {} : { gatewayPriority: GwPriority }),
    ...(DriverOpts && Object.keys(DriverOpts).length > 0 ? { driverOpts: DriverOpts } : {}),
  };
}

/** The connections of a container that is not started yet, checked now. @returns what keeps them, in the transaction that writes its row */
export function keptEndpoints(context: Context, spec: ContainerSpec): (id: string) => void {
  const wanted = wantedEndpoints(context, null, spec) ?? [];
  return (id) => keepEndpoints(context, id, wanted);
}

/** Take the addresses, write the files and the plan: in the start's transaction, under the container's lock. */
export function connectBridge(
  context: Context,
  id: string,
  name: string,
  spec: ContainerSpec,
  wanted: readonly WantedEndpoint[] | undefined,
): NetworkRequests {
  const endpoints = reserveEndpoints(context, id, wanted);
  writeConnection(context, id, name, spec, endpoints);
  return { network: networkRequest(context, id) };
}

function networkRequest(context: Context, id: string): NetworkRequest {
  const { runtime } = context.paths;
  return {
    plan: networkPlanFile(context, id),
    socket: join(runtime, "netd.sock"),
    lock: join(runtime, "netd.lock"),
    resolvConf: "/etc/resolv.conf",
    deny: deniedSubnets(context),
    required: true,
  };
}

function writeConnection(
  context: Context,
  id: string,
  name: string,
  spec: ContainerSpec,
  endpoints: readonly Endpoint[],
): void {
  writeHostFiles(containerDirectory(context, id), hostFiles(context, id, name, spec, endpoints));
  tellLinkers(context, id);
  writePlan(context, {
    container: id,
    name,
    networks: usedNetworkPlans(endpoints),
    endpoints: endpointPlans(context, endpoints, namesOf(id, name, spec)),
    ports: portsOf(spec, endpoints),
    resolvers: spec.HostConfig.Dns,
  });
}

function hostFiles(
  context: Context,
  id: string,
  name: string,
  spec: ContainerSpec,
  endpoints: readonly Endpoint[],
): HostFiles {
  const linked = spec.HostConfig.Links?.length ? links().withLinkedHosts(context, id, spec) : spec;
  return hostFilesOf(linked, surroundings(name, spec, endpoints));
}

/** Containers that are linked to this one have its address in their /etc/hosts. */
function tellLinkers(context: Context, id: string): void {
  if (!existsSync(join(containerDirectory(context, id), "linkers"))) return;
  for (const row of links().linkers(context, id)) {
    const endpoints = endpointsOf(context, row.id);
    const { hosts } = hostFiles(context, row.id, row.name, specOf(context, row), endpoints);
    const directory = containerDirectory(context, row.id);
    try {
      writeHostFiles(directory, { hosts });
    } catch (error) {
      if (existsSync(join(directory, "hosts"))) throw error; // else it has ended since, and went with --rm
    }
  }
}

function links() {
  return require("./links") as typeof import("./links");
}

function writePlan(context: Context, plan: Plan): void {
  const { container: id } = plan;
  const path = networkPlanFile(context, id);
  try {
    replaceFile(path, JSON.stringify(plan));
  } catch (error) {
    throw new EngineError("io", "write connections", path, error);
  }
}

/** Ports lead to the first network with a way outside, which may say where they are opened. */
function portsOf(spec: ContainerSpec, endpoints: readonly Endpoint[]): PortPlan[] {
  const target = endpoints.find(({ network }) => !network.internal);
  const usual = target ? hostBindingOf(target.network) : "";
  return portPlans(spec).map((port) => (port.hostAddress === "" ? { ...port, hostAddress: usual } : port));
}

/** What a container answers to in all its networks; a question by address is answered with the first. */
function namesOf(id: string, name: string, { Hostname, Domainname }: ContainerSpec): string[] {
  const full = Domainname ? [`${Hostname}.${Domainname}`] : [];
  return [...new Set([name, id.slice(0, 12), Hostname, ...full])];
}

function surroundings(name: string, spec: ContainerSpec, endpoints: readonly Endpoint[]): Surroundings {
  const hasV6 = endpoints.some(({ ipv6, network }) => ipv6 !== null && !network.internal);
  const hasV4 = endpoints.some(({ ipv4, network }) => ipv4 !== null && !network.internal);
  const named = endpoints.filter(({ network }) => network.names);
  // one of them: the IPv6 address is the host's ::1, where a server that listens on 127.0.0.1 is not
  const host = hasV4 ? [HOST_V4] : hasV6 ? [HOST_V6] : [];
  return {
    own: endpoints.flatMap(({ ipv4, ipv6, wanted }) =>
      [ipv4, ipv6]
        .filter((address) => address !== null)
        .map((address) => ({ address, names: [name, ...(wanted.aliases ?? [])] })),
    ),
    host,
    nameServers: named.length > 0 ? gateways(named) : withoutNames(spec, endpoints),
    isNameService: named.length > 0,
  };
}

/** netd is asked at the gateways: the IPv4 ones first, which every libc tries in this order. */
function gateways(endpoints: readonly Endpoint[]): string[] {
  const of = (family: 4 | 6): (string | null)[] => endpoints.map((endpoint) => gatewayOf(endpoint, family));
  return [...of(4), ...of(6)].filter((address) => address !== null);
}

/** Where no network answers names, a container asks for itself. */
function withoutNames(spec: ContainerSpec, endpoints: readonly Endpoint[]): string[] {
  if (spec.HostConfig.Dns.length > 0) return spec.HostConfig.Dns;
  const ofNetworks = endpoints.flatMap(({ network }) => network.resolvers);
  return ofNetworks.length > 0 ? [...new Set(ofNetworks)] : reachableNameServers();
}

/**
 * Make a running container's connections those that are kept of it: the plan is written anew, netd follows it, the files of names too.
 * Throws `helper` with netd's reason; the plan in force is then the one before.
 */
export async function applyNetworkPlan(context: Context, row: ContainerRow): Promise<void> {
  const spec = specOf(context, row);
  writeConnection(context, row.id, row.name, spec, endpointsOf(context, row.id));
  await followPlan(context, row);
}

async function followPlan(context: Context, row: ContainerRow): Promise<void> {
  await callHelper(context.paths.cache, "network-reload", { runDir: runDirectory(context, row.id) });
}

/**
 * The same, but netd first takes all connections down: what the container has done to its interfaces is undone. Published ports stay open
 * meanwhile. Throws as `applyNetworkPlan`.
 */
export async function remakeConnections(context: Context, row: ContainerRow): Promise<void> {
  const spec = specOf(context, row);
  const ports = portsOf(spec, endpointsOf(context, row.id));
  const none = { networks: [], endpoints: [], resolvers: spec.HostConfig.Dns };
  writePlan(context, { container: row.id, name: row.name, ...none, ports });
  try {
    await followPlan(context, row);
  } finally {
    await applyNetworkPlan(context, row);
  }
}
