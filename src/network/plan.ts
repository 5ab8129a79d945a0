/** What netd is told of a container's connections: `native/PROTOCOL.md`, "Networks". */
import type { Context, Network } from "../state";
import { contains, parseAddress, parseSubnet, type Subnet } from "./address";
import type { Endpoint } from "./endpoints";

/** The host as containers see it: `native/net/policy.h`. */
export const HOST_V4 = "169.254.1.2";
export const HOST_V6 = "fd00:70:726f:61::2";

export type AddressPlan = { address: string; prefix: number };

export type NetworkPlan = {
  id: string;
  name: string;
  bridge: string;
  gateways: AddressPlan[];
  mtu: number;
  internal: boolean;
  isolated: boolean;
  names: boolean;
  resolvers: string[];
};

export type EndpointPlan = {
  network: string;
  interface: string;
  mac: string;
  ipv4: AddressPlan | null;
  ipv6: AddressPlan | null;
  /** Where the default route of the family goes; null on all endpoints but the one that has it. */
  gateway4: string | null;
  gateway6: string | null;
  hostLoopback: boolean;
  names: string[];
  routes: { destination: string; gateway: string }[];
};

/** The networks that these connections lead to, each once. A connection without addresses counts from the next start on. */
export function usedNetworkPlans(endpoints: readonly Endpoint[]): NetworkPlan[] {
  const networks = new Map(endpoints.filter(isLive).map(({ network }) => [network.id, network]));
  return [...networks.values()].map((network) => ({
    id: network.id,
    name: network.name,
    bridge: network.bridge,
    gateways: network.subnets.map(({ subnet, gateway }) => ({
      address: gateway,
      prefix: (parseSubnet(subnet) as Subnet).prefix,
    })),
    mtu: network.mtu,
    internal: network.internal,
    isolated: network.isolated,
    names: network.names,
    resolvers: network.resolvers,
  }));
}

/**
 * The connections of a container that has its addresses.
 *
 * @param names what the container answers to in each of its networks; the connection's aliases are added
 */
export function endpointPlans(
  context: Context,
  endpoints: readonly Endpoint[],
  names: readonly string[],
): EndpointPlan[] {
  const way4 = defaultRoute(endpoints, 4);
  const way6 = defaultRoute(endpoints, 6);
  const toHost = [...wayToHost(context, endpoints, 4, way4), ...wayToHost(context, endpoints, 6, way6)];
  return endpoints.filter(isLive).map((endpoint) => {
    const { network, wanted } = endpoint;
    return {
      network: network.id,
      interface: endpoint.interface ?? "",
      mac: endpoint.mac ?? "",
      ipv4: addressPlan(network, endpoint.ipv4),
      ipv6: addressPlan(network, endpoint.ipv6),
      gateway4: endpoint === way4 ? gatewayOf(endpoint, 4) : null,
      gateway6: endpoint === way6 ? gatewayOf(endpoint, 6) : null,
      hostLoopback: reachesLoopback(context, endpoint),
      names: [...new Set([...names, ...(wanted.aliases ?? [])].map((name) => name.toLowerCase()))],
      routes: [
        ...otherSubnets(endpoint),
        ...network.routes.filter(({ gateway }) => isReachable(endpoint, gateway)),
        ...toHost.filter((way) => way.endpoint === endpoint).map(({ route }) => route),
      ],
    };
  });
}

function isLive({ mac }: Endpoint): boolean {
  return mac !== null;
}

/** The gateway of the subnet that the endpoint has its address of this family in; null where it has none, or does not run. */
export function gatewayOf({ network, ipv4, ipv6 }: Endpoint, family: 4 | 6): string | null {
  const address = family === 4 ? ipv4 : ipv6;
  return address === null ? null : (subnetWith(network, address)?.gateway ?? null);
}

/** The length of the prefix of an endpoint's address in its network; null where it has none, or does not run. */
export function prefixOf({ network, ipv4, ipv6 }: Endpoint, family: 4 | 6): number | null {
  return addressPlan(network, family === 4 ? ipv4 : ipv6)?.prefix ?? null;
}

/**
 * The connection that has the default route of a family: never one to an internal network or one that is told to give none; of the others the one
 * with the highest priority, of these the first.
 */
function defaultRoute(endpoints: readonly Endpoint[], family: 4 | 6): Endpoint | undefined {
  let best: Endpoint | undefined;
  for (const endpoint of endpoints) {
    if (endpoint.network.internal || !givesDefaultRoute(endpoint.network)) continue;
    if (gatewayOf(endpoint, family) === null) continue;
    if (best === undefined || priorityOf(endpoint) > priorityOf(best)) best = endpoint;
  }
  return best;
}

const reachesLoopback = (context: Context, { wanted }: Endpoint): boolean =>
  wanted.hostLoopback ?? context.network.hostLoopback;

/** A route to the host over the first connection that may reach its loopback, where the default route's may not. */
function wayToHost(
  context: Context,
  endpoints: readonly Endpoint[],
  family: 4 | 6,
  usual: Endpoint | undefined,
): { endpoint: Endpoint; route: { destination: string; gateway: string } }[] {
  if (usual && reachesLoopback(context, usual)) return [];
  for (const endpoint of endpoints) {
    const gateway = gatewayOf(endpoint, family);
    if (gateway === null || endpoint.network.internal || !reachesLoopback(context, endpoint)) continue;
    const destination = family === 4 ? `${HOST_V4}/32` : `${HOST_V6}/128`;
    return [{ endpoint, route: { destination, gateway } }];
  }
  return [];
}

const priorityOf = ({ wanted }: Endpoint): number => wanted.gatewayPriority ?? 0;

/** Podman's option `no_default_route`. */
function givesDefaultRoute({ options }: Network): boolean {
  return !/^(1|t|true)$/i.test(options.no_default_route ?? "");
}

function subnetWith(network: Network, address: string): Network["subnets"][number] | undefined {
  const parsed = parseAddress(address);
  return parsed
    ? network.subnets.find(({ subnet }) => contains(parseSubnet(subnet) as Subnet, parsed))
    : undefined;
}

function addressPlan(network: Network, address: string | null): AddressPlan | null {
  const row = address === null ? undefined : subnetWith(network, address);
  return address === null || !row ? null : { address, prefix: (parseSubnet(row.subnet) as Subnet).prefix };
}

/** The network's further subnets are on the same bridge: no gateway leads there. */
function otherSubnets({ network, ipv4, ipv6 }: Endpoint): { destination: string; gateway: string }[] {
  const own = [ipv4, ipv6].map((address) => (address === null ? undefined : subnetWith(network, address)));
  return network.subnets
    .filter((row) => !own.includes(row) && (row.family === 4 ? ipv4 : ipv6) !== null)
    .map(({ family, subnet }) => ({ destination: subnet, gateway: family === 4 ? "0.0.0.0" : "::" }));
}

/** A route through an address of a family that the endpoint has none of would be refused by the kernel. */
function isReachable({ ipv4, ipv6 }: Endpoint, gateway: string): boolean {
  return (gateway.includes(":") ? ipv6 : ipv4) !== null;
}
