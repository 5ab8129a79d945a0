/** A network in the shape of `GET /networks/{id}` of the Docker Engine API. Fields that proa adds stand behind docker's. */
import type { Context, Network } from "../state";
import { prefixOf } from "./plan";
import { type NetworkUser, usersOf } from "./users";

const NEVER = "0001-01-01T00:00:00Z"; // Go's zero time, as docker answers it

/** @param isVerbose with more of each container */
export function inspectNetwork(
  context: Context,
  network: Network,
  isVerbose: boolean,
): Record<string, unknown> {
  const isPredefined = network.driver !== "bridge";
  const users = network.driver === "bridge" ? usersOf(context, network) : [];
  const connected = users.filter(({ isConnected }) => isConnected);
  const hasFamily = (family: 4 | 6): boolean => network.subnets.some((subnet) => subnet.family === family);
  return {
    Name: network.name,
    Id: network.id,
    Created: network.createdMs === 0 ? NEVER : new Date(network.createdMs).toISOString(),
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: isPredefined || hasFamily(4),
    EnableIPv6: hasFamily(6),
    IPAM: { Driver: "default", Options: null, Config: isPredefined ? null : network.subnets.map(ipamConfig) },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      connected.map((user) => [user.containerId, connection(network, user, isVerbose)]),
    ),
    Options: network.options,
    Labels: network.labels,
    Interface: network.bridge,
    MTU: network.mtu,
    DNSEnabled: network.names,
    DNSServers: network.resolvers,
    Isolated: network.isolated,
    Routes: network.routes.map(({ destination, gateway }) => ({
      Destination: destination,
      Gateway: gateway,
    })),
    // the same by the names of podman's templates
    ID: network.id,
    NetworkInterface: network.bridge,
    Subnets: network.subnets.map(({ subnet, gateway }) => ({ Subnet: subnet, Gateway: gateway })),
    IPv6Enabled: hasFamily(6),
    NetworkDNSServers: network.resolvers,
    ...(isVerbose ? { Stopped: stopped(users) } : {}),
  };
}

function ipamConfig({
  subnet,
  gateway,
  range,
  auxiliary,
}: Network["subnets"][number]): Record<string, unknown> {
  return {
    Subnet: subnet,
    ...(range === null ? {} : { IPRange: range }),
    Gateway: gateway,
    ...(Object.keys(auxiliary).length === 0 ? {} : { AuxiliaryAddresses: auxiliary }),
  };
}

function connection(network: Network, user: NetworkUser, isVerbose: boolean): Record<string, unknown> {
  const { endpoint, containerName, containerId } = user;
  const withPrefix = (address: string | null, family: 4 | 6): string =>
    address === null ? "" : `${address}/${prefixOf({ ...endpoint, network }, family)}`;
  return {
    Name: containerName,
    EndpointID: endpointId(containerId, network.id),
    MacAddress: endpoint.mac ?? "",
    IPv4Address: withPrefix(endpoint.ipv4, 4),
    IPv6Address: withPrefix(endpoint.ipv6, 6),
    ...(isVerbose ? { Interface: endpoint.interface, Aliases: endpoint.wanted.aliases ?? [] } : {}),
  };
}

/** Containers that will be in the network when they are started, by id. */
function stopped(users: readonly NetworkUser[]): Record<string, { Name: string }> {
  return Object.fromEntries(
    users
      .filter(({ isConnected }) => !isConnected)
      .map(({ containerId, containerName }) => [containerId, { Name: containerName }]),
  );
}

/** The id of a connection: 64 hexadecimal digits, the same for as long as both are there. */
export function endpointId(containerId: string, networkId: string): string {
  return new Bun.CryptoHasher("sha256").update(`${containerId} ${networkId}`).digest("hex");
}
