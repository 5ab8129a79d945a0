/** The default network: it has no row until something uses it. */
import {
  allNetworks,
  type Context,
  deleteNetwork,
  insertNetwork,
  keptValue,
  type Network,
  networkByName,
  takenBridges,
} from "../state";
import { firstHost, formatAddress, formatSubnet, parseSubnet, type Subnet } from "./address";
import { chooseSubnet, hostRoutes, randomUlaPrefix, ulaPool } from "./pools";
import { poolsOfDefault } from "./settings";
import { usersOf } from "./users";

export const DEFAULT_NETWORK = "proa";

/** The network of containers that name none; made at its first use, and anew where the configuration has changed and nothing uses it. */
export function defaultNetwork(context: Context): Network {
  const found = networkByName(context.db(), DEFAULT_NETWORK);
  return found && isAsConfigured(context, found) ? found : makeDefaultNetwork(context);
}

function isAsConfigured(context: Context, { mtu, subnets }: Network): boolean {
  const { defaultSubnet, ipv6, mtu: configured } = context.network;
  const v4 = subnets.find(({ family }) => family === 4)?.subnet;
  const wanted = defaultSubnet === undefined ? null : parseSubnet(defaultSubnet);
  const hasV6 = subnets.some(({ family }) => family === 6);
  return (
    (defaultSubnet === undefined || (wanted !== null && formatSubnet(wanted) === v4)) &&
    mtu === configured &&
    hasV6 === ipv6
  );
}

function makeDefaultNetwork(context: Context): Network {
  const db = context.db();
  const pools = poolsOfDefault(context);
  const routes = hostRoutes();
  const make = db.transaction((): Network => {
    const made = networkByName(db, DEFAULT_NETWORK);
    if (made) {
      if (isAsConfigured(context, made) || usersOf(context, made).length > 0) return made;
      deleteNetwork(db, made.id);
    }
    const used = subnetsInUse(context);
    const { ipv6, mtu, defaultSubnet } = context.network;
    const chosen = [chooseSubnet(pools, used, defaultSubnet === undefined ? routes : [])];
    if (ipv6) chosen.push(chooseSubnet([userUlaPool(context)], used, routes));
    const network: Network = {
      id: randomNetworkId(),
      name: DEFAULT_NETWORK,
      driver: "bridge",
      bridge: freeBridge(context, 0),
      createdMs: context.now(),
      internal: false,
      isolated: false,
      names: true,
      attachable: false,
      mtu,
      resolvers: [],
      routes: [],
      labels: {},
      options: {},
      subnets: chosen.map((subnet) => ({
        family: subnet.family,
        subnet: formatSubnet(subnet),
        gateway: formatAddress({ family: subnet.family, value: firstHost(subnet) }),
        range: null,
        auxiliary: {},
      })),
    };
    insertNetwork(db, network);
    return network;
  });
  return make.immediate(); // lock for writing before the read: of two processes one makes it
}

/** Subnets of all our networks. */
export function subnetsInUse(context: Context): Subnet[] {
  return allNetworks(context.db()).flatMap(({ subnets }) =>
    subnets.map(({ subnet }) => parseSubnet(subnet) as Subnet),
  );
}

/** The part of the unique local addresses that is this user's. Inside a transaction for writing. */
export function userUlaPool(context: Context) {
  return ulaPool(keptValue(context.db(), "ula-prefix", randomUlaPrefix));
}

export function randomNetworkId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
}

/** The first name `proaN` from this number on that no bridge of ours has; 0 is the default network's. */
export function freeBridge(context: Context, from: number): string {
  const taken = takenBridges(context.db());
  for (let number = from; ; number++) {
    const name = `proa${number}`;
    if (!taken.has(name)) return name;
  }
}
