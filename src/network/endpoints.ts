/**
 * Containers' connections to networks, and their addresses. An address is given out when a container starts and given back when it has ended. Who died
 * without giving back is found out when somebody needs the address: an allocation counts as long as the lock of its container's run
 * directory is held. All of it happens in immediate transactions: two processes never find the same address free.
 */
import { join } from "node:path";
import { EngineError } from "../error";
import {
  type Context,
  clearAllocations,
  containersByIdPrefix,
  deleteEndpoint,
  deleteEndpoints,
  type EndpointConfig,
  type EndpointRow,
  endpointsOfContainer,
  endpointsOfNetwork,
  isLocked,
  type Network,
  networkById,
  putEndpoint,
} from "../state";
import { allocateAddress, allocateMac, type Reclaim } from "./allocate";
import { checkEndpointConfig } from "./endpoint-config";
import { interfaceNames } from "./interfaces";

/** A connection that is asked for. */
export type WantedEndpoint = EndpointConfig & { network: Network };

/** A connection with its network. */
export type Endpoint = EndpointRow & { network: Network };

/**
 * Give a container the addresses of its connections, for a start. The caller holds the lock of its run directory, and
 * calls in the transaction that writes its row: where that fails nothing was taken.
 *
 * @param wanted the connections, in order, in place of those that are kept; absent: those that are kept
 * @returns the connections in order, addresses filled in
 * @throws EngineError `not-found` for a network that has been removed, `in-use` naming who has a static address, `invalid` for one that is in no
 * subnet, `unsupported` where a subnet is full
 */
export function reserveEndpoints(
  context: Context,
  containerId: string,
  wanted?: readonly WantedEndpoint[],
): Endpoint[] {
  const db = context.db();
  const reserve = db.transaction((): Endpoint[] => {
    const endpoints = wanted ? replaceKept(context, containerId, wanted) : endpointsOf(context, containerId);
    clearAllocations(db, containerId); // of a start that was killed
    const names = interfaceNames(endpoints);
    return endpoints.map((endpoint, at) => allocate(context, endpoint, names[at] as string));
  });
  return reserve.immediate();
}

/** Keep the connections of a container that is not started yet, in place of those it had. Throws `not-found`. */
export function keepEndpoints(
  context: Context,
  containerId: string,
  wanted: readonly WantedEndpoint[],
): void {
  const keep = context.db().transaction(() => {
    for (const endpoint of replaceKept(context, containerId, wanted))
      putEndpoint(context.db(), rowOf(endpoint));
  });
  keep.immediate();
}

/** The connections of a container, in order. Addresses are null while it does not run. */
export function endpointsOf(context: Context, containerId: string): Endpoint[] {
  const networks = new Map<string, Network>();
  return endpointsOfContainer(context.db(), containerId).map((row) => {
    const network = networks.get(row.networkId) ?? networkOf(context, row.networkId);
    networks.set(row.networkId, network);
    return { ...row, network };
  });
}

/**
 * Connect a container to one more network.
 *
 * @param isRunning it gets its addresses now
 * @returns the new connection
 * @throws EngineError `in-use` where it is connected already, and as `reserveEndpoints()`
 */
export function addEndpoint(
  context: Context,
  container: { id: string; name: string },
  wanted: WantedEndpoint,
  isRunning: boolean,
): Endpoint {
  const add = context.db().transaction((): Endpoint => {
    const present = endpointsOf(context, container.id);
    if (present.some(({ networkId }) => networkId === wanted.network.id)) {
      throw new EngineError(
        "in-use",
        "connect container",
        container.name,
        `it is connected to network ${wanted.network.name} already`,
        { exitCode: 1 },
      );
    }
    if (present.length >= CONNECTIONS_MOST) throw tooMany(container.name);
    const ordinal = Math.max(-1, ...present.map((each) => each.ordinal)) + 1;
    const endpoint = newEndpoint(context, container.id, wanted, ordinal);
    if (!isRunning) {
      putEndpoint(context.db(), rowOf(endpoint));
      return endpoint;
    }
    return allocate(context, endpoint, interfaceNames([...present, endpoint]).at(-1) as string);
  });
  return add.immediate();
}

/** Give addresses to those connections of a running container that have none: it was started in the moment in which they were added. */
export function completeEndpoints(context: Context, containerId: string): void {
  const complete = context.db().transaction(() => {
    const endpoints = endpointsOf(context, containerId);
    const names = interfaceNames(endpoints);
    for (const [at, endpoint] of endpoints.entries()) {
      if (endpoint.mac === null) allocate(context, endpoint, names[at] as string);
    }
  });
  complete.immediate();
}

/** Write a connection back as it was, after a change that failed. */
export function restoreEndpoint(context: Context, endpoint: Endpoint): void {
  putEndpoint(context.db(), rowOf(endpoint));
}

/** End a connection. Returns what it was, or null where there was none. */
export function removeEndpoint(context: Context, containerId: string, networkId: string): Endpoint | null {
  const remove = context.db().transaction(() => {
    const found = endpointsOf(context, containerId).find((each) => each.networkId === networkId) ?? null;
    if (found) deleteEndpoint(context.db(), containerId, networkId);
    return found;
  });
  return remove.immediate();
}

/** Does the supervisor of this container, or the process that is starting it, live? */
export function isAlive(context: Context, containerId: string): boolean {
  return isLocked(join(context.paths.running, containerId));
}

const CONNECTIONS_MOST = 64; // of one container: ENDPOINT_LIMIT of native/net/plan.c

function tooMany(container: string): EngineError {
  return new EngineError(
    "unsupported",
    "connect container",
    container,
    `a container has ${CONNECTIONS_MOST} networks at most`,
  );
}

/** The kept connections of a container, exchanged for others. */
function replaceKept(context: Context, containerId: string, wanted: readonly WantedEndpoint[]): Endpoint[] {
  deleteEndpoints(context.db(), containerId);
  if (wanted.length > CONNECTIONS_MOST) throw tooMany(containerId.slice(0, 12));
  return wanted.map((each, ordinal) => newEndpoint(context, containerId, each, ordinal));
}

function newEndpoint(
  context: Context,
  containerId: string,
  { network: { id }, ...config }: WantedEndpoint,
  ordinal: number,
): Endpoint {
  const network = networkOf(context, id); // as it is now: it may have been removed since it was looked up
  const wanted = checkEndpointConfig(network, config);
  return {
    containerId,
    networkId: id,
    ordinal,
    wanted,
    ipv4: null,
    ipv6: null,
    mac: null,
    interface: null,
    network,
  };
}

function networkOf(context: Context, id: string): Network {
  const network = networkById(context.db(), id);
  if (network) return network;
  throw new EngineError("not-found", "connect container", id.slice(0, 12), "the network has been removed", {
    exitCode: 1,
  });
}

function rowOf({ network: _network, ...row }: Endpoint): EndpointRow {
  return row;
}

/** Fill in what was not asked for, and write it down. */
function allocate(context: Context, endpoint: Endpoint, name: string): Endpoint {
  const db = context.db();
  const { network, wanted, containerId } = endpoint;
  const reclaim = reclaimIn(context, containerId);
  const v4 = allocateAddress(db, network, 4, wanted.ipv4, null, reclaim);
  const v6 = allocateAddress(db, network, 6, wanted.ipv6, v4, reclaim);
  const mac = allocateMac(db, network, wanted.mac, v4 ?? v6, reclaim);
  const allocated = { ...endpoint, ipv4: v4?.text ?? null, ipv6: v6?.text ?? null, mac, interface: name };
  putEndpoint(db, rowOf(allocated));
  return allocated;
}

/** Taking back what the dead have. */
function reclaimIn(context: Context, ownId: string): Reclaim {
  const db = context.db();
  const free = (id: string): boolean => {
    if (id !== ownId && isAlive(context, id)) return false;
    if (id !== ownId) {
      if (containersByIdPrefix(db, id).length > 0) clearAllocations(db, id);
      else deleteEndpoints(db, id); // its start was killed before it had a row
    }
    return id !== ownId;
  };
  return {
    one: free,
    all: (networkId) => {
      const holders = endpointsOfNetwork(db, networkId).filter(({ mac }) => mac !== null);
      return holders.filter(({ containerId }) => free(containerId)).length > 0;
    },
    describe: (id) => {
      const [row] = containersByIdPrefix(db, id);
      return row ? `container ${row.name} (${id.slice(0, 12)})` : `container ${id.slice(0, 12)}`;
    },
  };
}
