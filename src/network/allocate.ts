/**
 * Giving out addresses: the first free one behind the one given out last, so that an address is not soon another container's; a static one where
 * it was asked for. Never the network's own address, the one for broadcasts, a gateway or an auxiliary one; one that another container asks for
 * whenever it runs only where no other is left.
 */
import type { Database } from "bun:sqlite";
import { EngineError } from "../error";
import {
  holderOf,
  isWanted,
  lastGiven,
  type Network,
  type SubnetRow,
  setLastGiven,
  takenAddresses,
} from "../state";
import {
  type Address,
  contains,
  type Family,
  formatAddress,
  hostsOf,
  macOf,
  parseAddress,
  parseRange,
  parseSubnet,
  type Subnet,
} from "./address";

/** Taking back the addresses of containers that live no more. Each says whether something became free. */
export type Reclaim = {
  one: (containerId: string) => boolean;
  all: (networkId: string) => boolean;
  /** For messages: `container web (0123456789ab)`. */
  describe: (containerId: string) => string;
};

export type Allocated = Address & { text: string; subnet: Subnet };

/**
 * An address of one family, or null where the network has no subnet of it.
 *
 * @param asked the static address, canonical
 * @param v4 the endpoint's IPv4 address: the IPv6 one has the same number in its subnet where that is free
 */
export function allocateAddress(
  db: Database,
  network: Network,
  family: Family,
  asked: string | undefined,
  v4: Allocated | null,
  reclaim: Reclaim,
): Allocated | null {
  const rows = network.subnets.filter((row) => row.family === family);
  if (asked !== undefined) return staticAddress(db, network, rows, asked, reclaim);
  if (rows.length === 0) return null;
  const found =
    search(db, network, rows, v4) ?? (reclaim.all(network.id) ? search(db, network, rows, v4) : null);
  if (found) return found;
  throw new EngineError(
    "unsupported",
    "assign address",
    network.name,
    "every address of the network is in use",
    {
      hint: `stop a container of it, or make a larger network: proa network create --subnet`,
    },
  );
}

const column = (family: Family): "ipv4" | "ipv6" => (family === 4 ? "ipv4" : "ipv6");

function staticAddress(
  db: Database,
  network: Network,
  rows: readonly SubnetRow[],
  asked: string,
  reclaim: Reclaim,
): Allocated {
  const allocated = checkStatic(network, rows, asked);
  const holder = holderOf(db, network.id, column(allocated.family), asked);
  if (holder !== null && !reclaim.one(holder)) {
    throw new EngineError("in-use", "assign address", asked, `it is used by ${reclaim.describe(holder)}`);
  }
  return allocated;
}

/** Can a container of this network have this address at all? Throws `invalid`. */
export function checkStatic(network: Network, rows: readonly SubnetRow[], asked: string): Allocated {
  const fail = (why: string, hint?: string) =>
    new EngineError("invalid", "assign address", asked, why, { hint });
  const address = parseAddress(asked);
  if (!address) throw fail("it is no address");
  const row = rows.find((each) => contains(parseSubnet(each.subnet) as Subnet, address));
  if (!row) {
    const subnets = rows.map((each) => each.subnet).join(", ");
    const family = address.family === 4 ? "IPv4" : "IPv6";
    throw subnets === ""
      ? fail(`network ${network.name} has no ${family} subnet`)
      : fail(`it is in no subnet of network ${network.name}`, `choose one in ${subnets}`);
  }
  const subnet = parseSubnet(row.subnet) as Subnet;
  const { first, last } = hostsOf(subnet);
  if (address.value < first || address.value > last)
    throw fail(`it is the network's own address or the one for broadcasts in ${row.subnet}`);
  if (row.gateway === asked) throw fail(`it is the gateway of network ${network.name}`);
  if (isFixed(row, asked)) throw fail(`it is an auxiliary address of network ${network.name}`);
  return { ...address, text: asked, subnet };
}

function search(
  db: Database,
  network: Network,
  rows: readonly SubnetRow[],
  v4: Allocated | null,
): Allocated | null {
  for (const row of rows) {
    const subnet = parseSubnet(row.subnet) as Subnet;
    const derived = v4 && derive(v4, subnet, row);
    if (derived && isFree(db, network.id, row, derived)) return derived;
    const found = nextFree(db, network.id, row, subnet);
    if (found) return found;
  }
  return null;
}

/** The address with the number in its subnet that the IPv4 one has in its own. */
function derive(v4: Allocated, subnet: Subnet, row: SubnetRow): Allocated | null {
  const value = subnet.value + (v4.value - v4.subnet.value);
  const { first, last } = boundsOf(row, subnet);
  if (value < first || value > last) return null;
  return { family: subnet.family, value, text: formatAddress({ family: subnet.family, value }), subnet };
}

function isFree(db: Database, networkId: string, row: SubnetRow, { family, text }: Allocated): boolean {
  return (
    !isFixed(row, text) &&
    holderOf(db, networkId, column(family), text) === null &&
    !isWanted(db, networkId, column(family), text)
  );
}

function isFixed(row: SubnetRow, text: string): boolean {
  return row.gateway === text || Object.values(row.auxiliary).includes(text);
}

/** The lowest and the highest address that is given out. */
function boundsOf(row: SubnetRow, subnet: Subnet): { first: bigint; last: bigint } {
  const hosts = hostsOf(subnet);
  const range = row.range === null ? null : parseRange(row.range);
  if (!range) return hosts;
  return {
    first: range.first > hosts.first ? range.first : hosts.first,
    last: range.last < hosts.last ? range.last : hosts.last,
  };
}

/** Tries before all addresses of a network are read: mostly the first one is free. */
const SINGLE_TRIES = 8;

function nextFree(db: Database, networkId: string, row: SubnetRow, subnet: Subnet): Allocated | null {
  const { first, last } = boundsOf(row, subnet);
  const { family } = subnet;
  const given = lastGiven(db, networkId, row.subnet);
  const behind = given === null ? first : (parseAddress(given) as Address).value + 1n;
  const start = behind < first || behind > last ? first : behind;
  const at = (value: bigint): Allocated => ({
    family,
    value,
    text: formatAddress({ family, value }),
    subnet,
  });
  const take = (found: Allocated): Allocated => {
    setLastGiven(db, networkId, row.subnet, found.text);
    return found;
  };
  const room = last - first + 1n;
  let value = start;
  const next = (): void => {
    value = value === last ? first : value + 1n;
  };
  for (let tried = 0n; tried < room && tried < SINGLE_TRIES; tried++, next()) {
    if (isFree(db, networkId, row, at(value))) return take(at(value));
  }
  const { held, wanted } = takenAddresses(db, networkId, column(family));
  for (const avoided of [new Set([...held, ...wanted]), held]) {
    // of so many one must be free
    const tries = BigInt(avoided.size + Object.keys(row.auxiliary).length + 2);
    for (let tried = 0n; tried < room && tried < tries; tried++, next()) {
      const candidate = at(value);
      if (!avoided.has(candidate.text) && !isFixed(row, candidate.text)) return take(candidate);
    }
  }
  return null;
}

/** The MAC address: the asked one, else the one that goes with the address, else a random one. */
export function allocateMac(
  db: Database,
  network: Network,
  asked: string | undefined,
  address: Address | null,
  reclaim: Reclaim,
): string {
  const isTaken = (mac: string): string | null => {
    const holder = holderOf(db, network.id, "mac", mac);
    return holder === null || reclaim.one(holder) ? null : holder;
  };
  if (asked !== undefined) {
    const holder = isTaken(asked);
    if (holder === null) return asked;
    throw new EngineError("in-use", "assign MAC address", asked, `it is used by ${reclaim.describe(holder)}`);
  }
  let mac = address ? macOf(address) : randomMac();
  while (isTaken(mac) !== null) mac = randomMac();
  return mac;
}

function randomMac(): string {
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
  return macOf({ family: 4, value: BigInt(value) });
}
