/** Rows of the network tables. The caller's transaction holds several of these together; allocation and creation run in an immediate one. */
import type { Database } from "bun:sqlite";

export type Route = { destination: string; gateway: string };

export type SubnetRow = {
  family: 4 | 6;
  /** Canonical, `10.88.0.0/16`. */
  subnet: string;
  gateway: string;
  /** The part that addresses are given out of; null: all. */
  range: string | null;
  /** Addresses that are never given out, by name. */
  auxiliary: Record<string, string>;
};

export type NetworkDriver = "bridge" | "host" | "null";

/** A network with its subnets. Those of the drivers "host" and "null" have no row: they are predefined. */
export type Network = {
  /** 64 hexadecimal digits. */
  id: string;
  name: string;
  driver: NetworkDriver;
  /** Its interface in netd's namespace. */
  bridge: string;
  createdMs: number;
  /** Reaches nothing outside. */
  internal: boolean;
  /** Its containers do not see each other. */
  isolated: boolean;
  /** Answers names. */
  names: boolean;
  attachable: boolean;
  mtu: number;
  /** Asked in place of the host's; empty: the host's. */
  resolvers: string[];
  routes: Route[];
  labels: Record<string, string>;
  /** As the user gave them. */
  options: Record<string, string>;
  subnets: SubnetRow[];
};

/** What was asked of a container's connection to a network; kept over restarts. Absent: chosen at the start. */
export type EndpointConfig = {
  ipv4?: string;
  ipv6?: string;
  mac?: string;
  /** Further names that it answers to in this network. */
  aliases?: string[];
  /** Name of the interface in the container. */
  interface?: string;
  /** May reach the host's loopback. */
  hostLoopback?: boolean;
  /** The endpoint with the highest has the default route; 0 when absent. */
  gatewayPriority?: number;
  /** As the user gave them. */
  driverOpts?: Record<string, string>;
};

/** A container's connection to a network. The last four are null while the container does not run. */
export type EndpointRow = {
  containerId: string;
  networkId: string;
  /** Order of connection, from 0. */
  ordinal: number;
  wanted: EndpointConfig;
  ipv4: string | null;
  ipv6: string | null;
  mac: string | null;
  interface: string | null;
};

type RawNetwork = {
  id: string;
  name: string;
  bridge: string;
  created_ms: number;
  internal: number;
  isolated: number;
  names: number;
  attachable: number;
  mtu: number;
  resolvers: string;
  routes: string;
  labels: string;
  options: string;
};

type RawSubnet = Omit<SubnetRow, "auxiliary"> & { network_id: string; auxiliary: string };

const NETWORK =
  "id, name, bridge, created_ms, internal, isolated, names, attachable, mtu, resolvers, routes, labels, options";
const SUBNET = "network_id, family, subnet, gateway, range, auxiliary";

function withSubnets(raw: RawNetwork, subnets: readonly RawSubnet[]): Network {
  return {
    id: raw.id,
    name: raw.name,
    driver: "bridge",
    bridge: raw.bridge,
    createdMs: raw.created_ms,
    internal: raw.internal === 1,
    isolated: raw.isolated === 1,
    names: raw.names === 1,
    attachable: raw.attachable === 1,
    mtu: raw.mtu,
    resolvers: JSON.parse(raw.resolvers),
    routes: JSON.parse(raw.routes),
    labels: JSON.parse(raw.labels),
    options: JSON.parse(raw.options),
    subnets: subnets.map(({ family, subnet, gateway, range, auxiliary }) => ({
      family,
      subnet,
      gateway,
      range,
      auxiliary: JSON.parse(auxiliary),
    })),
  };
}

function completed(db: Database, raw: RawNetwork | null): Network | null {
  if (raw === null) return null;
  const subnets = db
    .query<RawSubnet, [string]>(`SELECT ${SUBNET} FROM subnet WHERE network_id = ? ORDER BY position`)
    .all(raw.id);
  return withSubnets(raw, subnets);
}

export function networkByName(db: Database, name: string): Network | null {
  return completed(
    db,
    db.query<RawNetwork, [string]>(`SELECT ${NETWORK} FROM network WHERE name = ?`).get(name),
  );
}

export function networkById(db: Database, id: string): Network | null {
  return completed(db, db.query<RawNetwork, [string]>(`SELECT ${NETWORK} FROM network WHERE id = ?`).get(id));
}

/** Networks whose id begins with `prefix` (hexadecimal, checked by the caller); two are enough to tell that it is ambiguous. */
export function networksByIdPrefix(db: Database, prefix: string): Network[] {
  return db
    .query<RawNetwork, [string, string]>(`SELECT ${NETWORK} FROM network WHERE id >= ? AND id < ? LIMIT 2`)
    .all(prefix, `${prefix}g`) // 'g' sorts behind every hexadecimal digit
    .map((raw) => completed(db, raw) as Network);
}

/** Every network, by name. */
export function allNetworks(db: Database): Network[] {
  const subnets = new Map<string, RawSubnet[]>();
  for (const row of db
    .query<RawSubnet, []>(`SELECT ${SUBNET} FROM subnet ORDER BY network_id, position`)
    .all()) {
    const list = subnets.get(row.network_id);
    if (list) list.push(row);
    else subnets.set(row.network_id, [row]);
  }
  return db
    .query<RawNetwork, []>(`SELECT ${NETWORK} FROM network ORDER BY name`)
    .all()
    .map((raw) => withSubnets(raw, subnets.get(raw.id) ?? []));
}

/** Names of the bridges that are taken. */
export function takenBridges(db: Database): Set<string> {
  const rows = db.query<{ bridge: string }, []>("SELECT bridge FROM network").all();
  return new Set(rows.map(({ bridge }) => bridge));
}

/** Write a network and its subnets. Inside the caller's immediate transaction, which has seen that name and bridge are free. */
export function insertNetwork(db: Database, network: Network): void {
  db.query(
    `INSERT INTO network (${NETWORK}) VALUES
     ($id, $name, $bridge, $created_ms, $internal, $isolated, $names, $attachable, $mtu, $resolvers, $routes, $labels, $options)`,
  ).run({
    id: network.id,
    name: network.name,
    bridge: network.bridge,
    created_ms: network.createdMs,
    internal: Number(network.internal),
    isolated: Number(network.isolated),
    names: Number(network.names),
    attachable: Number(network.attachable),
    mtu: network.mtu,
    resolvers: JSON.stringify(network.resolvers),
    routes: JSON.stringify(network.routes),
    labels: JSON.stringify(network.labels),
    options: JSON.stringify(network.options),
  });
  const insert = db.query(
    `INSERT INTO subnet (network_id, position, family, subnet, gateway, range, auxiliary)
     VALUES ($network_id, $position, $family, $subnet, $gateway, $range, $auxiliary)`,
  );
  for (const [position, subnet] of network.subnets.entries()) {
    insert.run({
      network_id: network.id,
      position,
      ...subnet,
      auxiliary: JSON.stringify(subnet.auxiliary),
    });
  }
}

export function setResolvers(db: Database, id: string, resolvers: readonly string[]): void {
  db.query("UPDATE network SET resolvers = ? WHERE id = ?").run(JSON.stringify(resolvers), id);
}

/** Remove a network and every connection to it that is kept. */
export function deleteNetwork(db: Database, id: string): void {
  db.query("DELETE FROM endpoint WHERE network_id = ?").run(id);
  db.query("DELETE FROM network WHERE id = ?").run(id);
}

type RawEndpoint = {
  container_id: string;
  network_id: string;
  ordinal: number;
  wanted: string;
  ipv4: string | null;
  ipv6: string | null;
  mac: string | null;
  interface: string | null;
};

const ENDPOINT = "container_id, network_id, ordinal, wanted, ipv4, ipv6, mac, interface";

const endpointOf = (raw: RawEndpoint): EndpointRow => ({
  containerId: raw.container_id,
  networkId: raw.network_id,
  ordinal: raw.ordinal,
  wanted: JSON.parse(raw.wanted),
  ipv4: raw.ipv4,
  ipv6: raw.ipv6,
  mac: raw.mac,
  interface: raw.interface,
});

/** The connections of a container, in their order. */
export function endpointsOfContainer(db: Database, containerId: string): EndpointRow[] {
  return db
    .query<RawEndpoint, [string]>(`SELECT ${ENDPOINT} FROM endpoint WHERE container_id = ? ORDER BY ordinal`)
    .all(containerId)
    .map(endpointOf);
}

/** The connections to a network, in no order. */
export function endpointsOfNetwork(db: Database, networkId: string): EndpointRow[] {
  return db
    .query<RawEndpoint, [string]>(`SELECT ${ENDPOINT} FROM endpoint WHERE network_id = ?`)
    .all(networkId)
    .map(endpointOf);
}

/** Every connection of every container, by container and in order. */
export function allEndpoints(db: Database): EndpointRow[] {
  return db
    .query<RawEndpoint, []>(`SELECT ${ENDPOINT} FROM endpoint ORDER BY container_id, ordinal`)
    .all()
    .map(endpointOf);
}

/** Write a connection as it is now, new or changed. */
export function putEndpoint(db: Database, row: EndpointRow): void {
  db.query(
    `INSERT INTO endpoint (${ENDPOINT}, wanted_ipv4, wanted_ipv6) VALUES
     ($container_id, $network_id, $ordinal, $wanted, $ipv4, $ipv6, $mac, $interface, $wanted_ipv4, $wanted_ipv6)
     ON CONFLICT (container_id, network_id) DO UPDATE SET ordinal = $ordinal, wanted = $wanted, ipv4 = $ipv4, ipv6 = $ipv6,
     mac = $mac, interface = $interface, wanted_ipv4 = $wanted_ipv4, wanted_ipv6 = $wanted_ipv6`,
  ).run({
    container_id: row.containerId,
    network_id: row.networkId,
    ordinal: row.ordinal,
    wanted: JSON.stringify(row.wanted),
    ipv4: row.ipv4,
    ipv6: row.ipv6,
    mac: row.mac,
    interface: row.interface,
    wanted_ipv4: row.wanted.ipv4 ?? null,
    wanted_ipv6: row.wanted.ipv6 ?? null,
  });
}

export function deleteEndpoint(db: Database, containerId: string, networkId: string): void {
  db.query("DELETE FROM endpoint WHERE container_id = ? AND network_id = ?").run(containerId, networkId);
}

/** Forget every connection of a container. */
export function deleteEndpoints(db: Database, containerId: string): void {
  db.query("DELETE FROM endpoint WHERE container_id = ?").run(containerId);
}

/** Give back the addresses of a container that has ended; what was asked for stays. */
export function clearAllocations(db: Database, containerId: string): void {
  db.query(
    "UPDATE endpoint SET ipv4 = NULL, ipv6 = NULL, mac = NULL, interface = NULL WHERE container_id = ? AND mac IS NOT NULL",
  ).run(containerId);
}

export type AddressColumn = "ipv4" | "ipv6" | "mac";

/** The container that has an address in a network now, or null. */
export function holderOf(
  db: Database,
  networkId: string,
  column: AddressColumn,
  address: string,
): string | null {
  return (
    db
      .query<{ container_id: string }, [string, string]>(
        `SELECT container_id FROM endpoint WHERE network_id = ? AND ${column} = ?`,
      )
      .get(networkId, address)?.container_id ?? null
  );
}

/** Addresses of a network that are given out now, and those that a container asks for whenever it runs. */
export function takenAddresses(
  db: Database,
  networkId: string,
  column: "ipv4" | "ipv6",
): { held: Set<string>; wanted: Set<string> } {
  const values = (name: string): Set<string> =>
    new Set(
      db
        .query<{ address: string }, [string]>(
          `SELECT ${name} AS address FROM endpoint WHERE network_id = ? AND ${name} IS NOT NULL`,
        )
        .all(networkId)
        .map(({ address }) => address),
    );
  return { held: values(column), wanted: values(`wanted_${column}`) };
}

/** Whether a container asks for an address whenever it runs. */
export function isWanted(db: Database, networkId: string, column: "ipv4" | "ipv6", address: string): boolean {
  return (
    db
      .query<{ one: number }, [string, string]>(
        `SELECT 1 AS one FROM endpoint WHERE network_id = ? AND wanted_${column} = ?`,
      )
      .get(networkId, address) !== null
  );
}

/** The address of a subnet that was given out last, or null. */
export function lastGiven(db: Database, networkId: string, subnet: string): string | null {
  return (
    db
      .query<{ last: string | null }, [string, string]>(
        "SELECT last FROM subnet WHERE network_id = ? AND subnet = ?",
      )
      .get(networkId, subnet)?.last ?? null
  );
}

export function setLastGiven(db: Database, networkId: string, subnet: string, address: string): void {
  db.query("UPDATE subnet SET last = ? WHERE network_id = ? AND subnet = ?").run(address, networkId, subnet);
}

/** A value that was made once and is kept; `make` is called where there is none yet. Inside a transaction for writing. */
export function keptValue(db: Database, name: string, make: () => string): string {
  const found = db.query<{ value: string }, [string]>("SELECT value FROM kept WHERE name = ?").get(name);
  if (found) return found.value;
  const value = make();
  db.query("INSERT INTO kept (name, value) VALUES (?, ?)").run(name, value);
  return value;
}
