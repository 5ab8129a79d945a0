/** `NetworkSettings` of `GET /containers/{id}/json`: how a container is connected now. */
import { DEFAULT_NETWORK, type Endpoint, endpointId, endpointsOf, gatewayOf, prefixOf } from "../network";
import { type ContainerSpec, isBridged, type PortBinding, parseNetworkMode } from "../oci";
import type { ContainerRow, Context } from "../state";
import { openPorts } from "./ports";

type EndpointJson = Record<string, unknown>;

const NO_ENDPOINT: EndpointJson = {
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  MacAddress: "",
  DriverOpts: null,
  GwPriority: 0,
  NetworkID: "",
  EndpointID: "",
  Gateway: "",
  IPAddress: "",
  IPPrefixLen: 0,
  IPv6Gateway: "",
  GlobalIPv6Address: "",
  GlobalIPv6PrefixLen: 0,
  DNSNames: null,
};

/** `pid` is that of the first process, 0 where the container does not run. */
export function networkSettings(
  context: Context,
  row: ContainerRow,
  spec: ContainerSpec,
  pid: number,
): Record<string, unknown> {
  const endpoints = endpointsOf(context, row.id);
  const mode = parseNetworkMode(spec.HostConfig.NetworkMode);
  const networks = isBridged(mode)
    ? endpoints.map((each) => [each.network.name, endpointJson(row, spec, each)] as const)
    : mode.kind === "container"
      ? []
      : [[mode.kind, NO_ENDPOINT] as const];
  const first = endpoints.find(({ network }) => network.name === DEFAULT_NETWORK);
  return {
    Bridge: "",
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    SandboxID: pid === 0 ? "" : row.id,
    SandboxKey: pid === 0 ? "" : `/proc/${pid}/ns/net`,
    Ports: pid === 0 ? {} : portsJson(context, row, spec),
    ...addressesJson(first),
    EndpointID: first && pid !== 0 ? endpointId(row.id, first.networkId) : "",
    MacAddress: first?.mac ?? "",
    Networks: Object.fromEntries(networks),
  };
}

function addressesJson(endpoint: Endpoint | undefined): EndpointJson {
  return {
    Gateway: (endpoint && gatewayOf(endpoint, 4)) ?? "",
    IPAddress: endpoint?.ipv4 ?? "",
    IPPrefixLen: (endpoint && prefixOf(endpoint, 4)) ?? 0,
    IPv6Gateway: (endpoint && gatewayOf(endpoint, 6)) ?? "",
    GlobalIPv6Address: endpoint?.ipv6 ?? "",
    GlobalIPv6PrefixLen: (endpoint && prefixOf(endpoint, 6)) ?? 0,
  };
}

function endpointJson(row: ContainerRow, spec: ContainerSpec, endpoint: Endpoint): EndpointJson {
  const { wanted } = endpoint;
  const address = {
    ...(wanted.ipv4 ? { IPv4Address: wanted.ipv4 } : {}),
    ...(wanted.ipv6 ? { IPv6Address: wanted.ipv6 } : {}),
  };
  const aliases = wanted.aliases ?? [];
  const isRunning = endpoint.mac !== null;
  return {
    ...NO_ENDPOINT,
    IPAMConfig: Object.keys(address).length > 0 ? address : null,
    Aliases: aliases.length > 0 ? aliases : null,
    MacAddress: endpoint.mac ?? "",
    DriverOpts: wanted.driverOpts ?? null,
    GwPriority: wanted.gatewayPriority ?? 0,
    NetworkID: endpoint.networkId,
    EndpointID: isRunning ? endpointId(row.id, endpoint.networkId) : "",
    ...addressesJson(endpoint),
    DNSNames: endpoint.network.names
      ? [...new Set([row.name, ...aliases, row.id.slice(0, 12), spec.Hostname])]
      : null,
  };
}

function portsJson(
  context: Context,
  row: ContainerRow,
  spec: ContainerSpec,
): Record<string, PortBinding[] | null> {
  const ports: Record<string, PortBinding[] | null> = {};
  for (const key of Object.keys(spec.ExposedPorts)) ports[key] = null;
  for (const { protocol, containerPort, hostAddress, hostPort } of openPorts(context, row.id)) {
    const key = `${containerPort}/${protocol}`;
    ports[key] = [...(ports[key] ?? []), { HostIp: hostAddress, HostPort: String(hostPort) }];
  }
  return ports;
}
