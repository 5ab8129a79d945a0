/** Making a network: everything that was asked for is checked, what was not is chosen, and one row says it all. No interface is made before a container needs it. */
import { EngineError } from "../error";
import {
  allNetworks,
  type Context,
  insertNetwork,
  type Network,
  networkByName,
  type Route,
  type SubnetRow,
  takenBridges,
} from "../state";
import {
  type Address,
  contains,
  type Family,
  firstHost,
  formatAddress,
  formatSubnet,
  hostsOf,
  overlaps,
  parseAddress,
  parseRange,
  parseSubnet,
  type Subnet,
} from "./address";
import { freeBridge, randomNetworkId, subnetsInUse, userUlaPool } from "./default";
import { isPredefined } from "./find";
import { checkInterfaceName } from "./interfaces";
import { tellNetwork } from "./journal";
import { readOptions } from "./options";
import { chooseSubnet, hostRoutes, reservedBecause } from "./pools";
import { RESOLVERS_MOST, resolverOf } from "./resolvers";
import { poolsOfUsers } from "./settings";

/** A network as it is asked for. Addresses are as users write them. */
export type AskedNetwork = {
  name: string;
  driver: string;
  internal: boolean;
  attachable: boolean;
  ipv4: boolean;
  /** Undefined is left open: the subnets tell. */
  ipv6: boolean | undefined;
  subnets: AskedSubnet[];
  names: boolean;
  resolvers: string[];
  /** `DESTINATION,GATEWAY`. */
  routes: string[];
  labels: Record<string, string>;
  options: Record<string, string>;
  /** Name of the bridge; undefined chooses one. */
  bridge: string | undefined;
};

/** A subnet as it is asked for; one without `subnet` is chosen. */
export type AskedSubnet = {
  subnet?: string;
  gateway?: string;
  range?: string;
  auxiliary?: Record<string, string>;
};

const WHAT = "create network";
const SUBNETS_MOST = 32; // each is an address of the bridge

const invalid = (on: string, why: string, hint?: string): EngineError =>
  new EngineError("invalid", WHAT, on, why, { hint });

/**
 * Make a network.
 *
 * @throws EngineError `invalid`, `unsupported`; `name-in-use` for its name, `in-use` for a subnet or a bridge that another network has
 */
export function createNetwork(context: Context, asked: AskedNetwork): Network {
  checkNetworkName(asked.name);
  checkDriver(asked.driver);
  const decided = readOptions(asked.options);
  const bridge = bridgeOf(asked, decided.bridge);
  const given = asked.subnets.map(checkSubnet);
  const families = familiesOf(asked, given);
  const mtu = decided.mtu ?? context.network.mtu;
  if (families.includes(6) && mtu < 1280)
    throw invalid(`mtu=${mtu}`, "a network with IPv6 needs 1280 or more", "RFC 8200 has it so");
  const resolvers = asked.resolvers.map((text) => resolverOf(WHAT, text));
  if (resolvers.length > RESOLVERS_MOST)
    throw invalid(
      "--dns",
      `${resolvers.length} name servers`,
      `${RESOLVERS_MOST} are the most that are asked`,
    );
  if (given.length > SUBNETS_MOST)
    throw invalid(asked.name, `${given.length} subnets`, `a network has ${SUBNETS_MOST} at most`);
  if (resolvers.length > 0 && !asked.names)
    throw invalid("--dns", "a network that answers no names asks nobody", "leave out --dns or --disable-dns");
  const routes = hostRoutes();

  const db = context.db();
  const make = db.transaction((): Network => {
    refuseSameName(context, asked.name);
    if (bridge !== undefined && takenBridges(db).has(bridge))
      throw new EngineError("in-use", WHAT, bridge, "another network has this name for its interface");
    const subnets = chooseRest(context, given, families, routes);
    const network: Network = {
      id: randomNetworkId(),
      name: asked.name,
      driver: "bridge",
      bridge: bridge ?? freeBridge(context, 1),
      createdMs: context.now(),
      internal: asked.internal,
      isolated: decided.isolated ?? false,
      names: asked.names,
      attachable: asked.attachable,
      mtu,
      resolvers,
      routes: asked.routes.map((route) => routeOf(route, subnets)),
      labels: asked.labels,
      options: asked.options,
      subnets,
    };
    insertNetwork(db, network);
    return network;
  });
  const made = make.immediate(); // lock for writing before the reads: name, bridge and subnets stay free
  tellNetwork(context, made, "create");
  return made;
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const NAME_MOST = 128; // characters: longer ones are slips of a script
/** Words that `--network` means something else by. */
const MODES = ["container", "ns", "private", "pasta", "slirp4netns"];

function checkNetworkName(name: string): void {
  if (isPredefined(name) || MODES.includes(name))
    throw invalid(name, "a predefined network has this name", "choose another name");
  if (NAME.test(name) && name.length <= NAME_MOST) return;
  throw invalid(
    JSON.stringify(name),
    `it cannot be the name of a network`,
    `use letters, digits, _ . and -, at most ${NAME_MOST}, a letter or digit first`,
  );
}

const driverReasons: Readonly<Record<string, string>> = {
  host: "there is one network of this driver, and it is there already: --network host",
  none: "there is one network of this driver, and it is there already: --network none",
  null: "there is one network of this driver, and it is there already: --network none",
  macvlan: "it needs an interface of the host, which only root can give to a container",
  ipvlan: "it needs an interface of the host, which only root can give to a container",
  overlay: "it spans the machines of a swarm, and this one is in none",
};

function checkDriver(driver: string): void {
  if (driver === "bridge" || driver === "") return;
  const why = Object.hasOwn(driverReasons, driver) ? driverReasons[driver] : undefined;
  throw new EngineError(
    "unsupported",
    WHAT,
    `driver ${JSON.stringify(driver)}`,
    why ?? "there is no such driver",
    {
      hint: why === undefined ? "the driver is bridge" : undefined,
    },
  );
}

function bridgeOf(asked: AskedNetwork, fromOption: string | undefined): string | undefined {
  if (asked.bridge === undefined) return fromOption;
  if (fromOption !== undefined && fromOption !== asked.bridge)
    throw invalid(asked.bridge, `the option com.docker.network.bridge.name says ${fromOption}`);
  return checkInterfaceName("name bridge", asked.bridge);
}

function refuseSameName(context: Context, name: string): void {
  const holder = networkByName(context.db(), name);
  if (!holder) return;
  throw new EngineError("name-in-use", WHAT, name, `the name is used by network ${holder.id.slice(0, 12)}`, {
    hint: `remove it (proa network rm ${name}) or choose another name`,
  });
}

/** An asked subnet that can be. */
type Checked = { subnet: Subnet; row: SubnetRow } | { subnet: null; asked: AskedSubnet };

function checkSubnet(asked: AskedSubnet): Checked {
  if (asked.subnet === undefined) {
    const alone = asked.gateway ?? asked.range ?? Object.values(asked.auxiliary ?? {})[0];
    if (alone !== undefined)
      throw invalid(alone, "it belongs to no subnet that was given", "name the subnet too: --subnet");
    return { subnet: null, asked };
  }
  const subnet = parseSubnet(asked.subnet);
  if (!subnet)
    throw invalid(
      JSON.stringify(asked.subnet),
      "it is no subnet",
      "expected ADDRESS/BITS, as in 10.90.5.0/24",
    );
  const text = formatSubnet(subnet);
  refuseReserved(subnet, text);
  const most = subnet.family === 4 ? 31 : 127;
  if (subnet.prefix > most) throw invalid(text, "it has no room for a gateway and a container");
  if (subnet.prefix < 8) throw invalid(text, "it is too large", "the largest is /8");
  const gateway = asked.gateway === undefined ? firstHost(subnet) : gatewayIn(subnet, text, asked.gateway);
  const auxiliary = Object.fromEntries(
    Object.entries(asked.auxiliary ?? {}).map(([name, address]) => [
      name,
      auxiliaryIn(subnet, text, address),
    ]),
  );
  const row: SubnetRow = {
    family: subnet.family,
    subnet: text,
    gateway: formatAddress({ family: subnet.family, value: gateway }),
    range: asked.range === undefined ? null : rangeIn(subnet, text, asked.range),
    auxiliary,
  };
  return { subnet, row };
}

function refuseReserved(subnet: Subnet, text: string): void {
  const why = reservedBecause(subnet);
  if (why !== undefined) throw invalid(text, why);
}

function addressIn(subnet: Subnet, text: string, given: string): Address {
  const address = parseAddress(given);
  if (!address) throw invalid(JSON.stringify(given), "it is no address");
  if (!contains(subnet, address)) throw invalid(given, `it is not in ${text}`);
  return address;
}

function gatewayIn(subnet: Subnet, text: string, given: string): bigint {
  const { value } = addressIn(subnet, text, given);
  const { first, last } = hostsOf(subnet);
  if (value < first || value > last)
    throw invalid(given, `it is the network's own address or the one for broadcasts in ${text}`);
  return value;
}

function auxiliaryIn(subnet: Subnet, text: string, given: string): string {
  return formatAddress(addressIn(subnet, text, given));
}

function rangeIn(subnet: Subnet, text: string, given: string): string {
  const range = parseRange(given);
  if (!range)
    throw invalid(
      JSON.stringify(given),
      "it is no range of addresses",
      "expected ADDRESS/BITS or FIRST-LAST",
    );
  const ends: Address[] = [range.first, range.last].map((value) => ({ family: range.family, value }));
  if (!ends.every((end) => contains(subnet, end))) throw invalid(given, `it is not in ${text}`);
  const part = parseSubnet(given);
  return part ? formatSubnet(part) : ends.map(formatAddress).join("-");
}

/** The families that the network has addresses of. */
function familiesOf(asked: AskedNetwork, given: readonly Checked[]): Family[] {
  const has = (family: Family): boolean => given.some(({ subnet }) => subnet?.family === family);
  if (!asked.ipv4 && has(4)) throw invalid("--ipv4=false", "an IPv4 subnet was given");
  if (asked.ipv6 === false && has(6)) throw invalid("--ipv6=false", "an IPv6 subnet was given");
  const families: Family[] = [];
  if (asked.ipv4) families.push(4);
  if (asked.ipv6 || has(6)) families.push(6);
  if (families.length === 0)
    throw invalid("--ipv4=false", "the network would have no addresses", "add --ipv6");
  return families;
}

/** The subnets that were given, and one of each other family. Inside the transaction. */
function chooseRest(
  context: Context,
  given: readonly Checked[],
  families: readonly Family[],
  routes: readonly Subnet[],
): SubnetRow[] {
  const rows: SubnetRow[] = [];
  const own: Subnet[] = [];
  for (const each of given) {
    if (each.subnet === null) continue;
    refuseOverlap(context, each.subnet, each.row.subnet, own);
    own.push(each.subnet);
    rows.push(each.row);
  }
  for (const family of families) {
    if (own.some((subnet) => subnet.family === family)) continue;
    const pools = family === 4 ? poolsOfUsers(context) : [userUlaPool(context)];
    const subnet = chooseSubnet(pools, [...subnetsInUse(context), ...own], routes);
    const gateway = formatAddress({ family, value: firstHost(subnet) });
    rows.push({ family, subnet: formatSubnet(subnet), gateway, range: null, auxiliary: {} });
  }
  return rows;
}

/** All bridges are in one namespace: two networks cannot share addresses. */
function refuseOverlap(context: Context, subnet: Subnet, text: string, own: readonly Subnet[]): void {
  if (own.some((each) => overlaps(each, subnet)))
    throw invalid(text, "it overlaps with another of the subnets given");
  for (const network of allNetworks(context.db())) {
    const row = network.subnets.find((each) => overlaps(parseSubnet(each.subnet) as Subnet, subnet));
    if (row)
      throw new EngineError(
        "in-use",
        WHAT,
        text,
        `it overlaps with ${row.subnet} of network ${network.name}`,
      );
  }
}

/** `DESTINATION,GATEWAY` as podman has it. */
function routeOf(text: string, subnets: readonly SubnetRow[]): Route {
  const [destination = "", gateway = "", metric, ...more] = text.split(",");
  const fail = (why: string, hint?: string) => invalid(`route ${text}`, why, hint);
  const subnet = parseSubnet(destination);
  const address = parseAddress(gateway);
  if (!subnet || !address || more.length > 0 || subnet.family !== address.family)
    throw fail("expected DESTINATION,GATEWAY of one family", "as in 10.21.0.0/24,10.89.0.250");
  if (metric !== undefined)
    throw new EngineError("unsupported", WHAT, `route ${text}`, "routes have no metric here: leave it out");
  if (subnet.prefix === 0) throw fail("the default route leads to the gateway", "choose that with --gateway");
  const row = subnets.find((each) => contains(parseSubnet(each.subnet) as Subnet, address));
  if (!row) throw fail(`the gateway ${gateway} is in no subnet of the network`);
  if (
    overlaps(subnet, parseSubnet(row.subnet) as Subnet) &&
    subnet.prefix >= (parseSubnet(row.subnet) as Subnet).prefix
  )
    throw fail(`${destination} is in the network itself`);
  return { destination: formatSubnet(subnet), gateway: formatAddress(address) };
}

/**
 * Put together what was given apart: each gateway, range and auxiliary address goes with the subnet that it lies in, as docker has it.
 *
 * @param auxiliary addresses by name
 */
export function pairSubnets(
  subnets: readonly string[],
  gateways: readonly string[],
  ranges: readonly string[],
  auxiliary: Readonly<Record<string, string>>,
): AskedSubnet[] {
  const paired: (AskedSubnet & { subnet: string })[] = subnets.map((subnet) => ({ subnet }));
  const withIn = (value: bigint, family: Family, text: string): AskedSubnet => {
    const found = paired.find((each) => {
      const subnet = parseSubnet(each.subnet);
      return subnet !== null && contains(subnet, { family, value });
    });
    if (found) return found;
    const hint =
      subnets.length === 0 ? "name the subnet too: --subnet" : `the subnets are ${subnets.join(", ")}`;
    throw invalid(text, "it is in no subnet that was given", hint);
  };
  for (const text of gateways) {
    const address = parseAddress(text);
    if (!address) throw invalid(JSON.stringify(text), "it is no address");
    const subnet = withIn(address.value, address.family, text);
    if (subnet.gateway !== undefined)
      throw invalid(text, `its subnet ${subnet.subnet} has the gateway ${subnet.gateway}`);
    subnet.gateway = text;
  }
  for (const text of ranges) {
    const range = parseRange(text);
    if (!range)
      throw invalid(
        JSON.stringify(text),
        "it is no range of addresses",
        "expected ADDRESS/BITS or FIRST-LAST",
      );
    const subnet = withIn(range.first, range.family, text);
    if (subnet.range !== undefined)
      throw invalid(text, `its subnet ${subnet.subnet} has the range ${subnet.range}`);
    subnet.range = text;
  }
  for (const [name, text] of Object.entries(auxiliary)) {
    const address = parseAddress(text);
    if (!address) throw invalid(JSON.stringify(text), "it is no address");
    const subnet = withIn(address.value, address.family, text);
    subnet.auxiliary = { ...subnet.auxiliary, [name]: text };
  }
  return paired;
}
