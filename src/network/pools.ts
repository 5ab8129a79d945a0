/**
 * Choosing subnets nobody uses: no network of ours, and none that the host has a route to, since containers could then not reach what is
 * there. IPv6 subnets are parts of one unique local prefix (RFC 4193) that a user gets once, at random.
 */
import { readFileSync } from "node:fs";
import { EngineError } from "../error";
import {
  type Address,
  bitsOf,
  lastOf,
  overlaps,
  parseAddress,
  parseSubnet,
  type Subnet,
  subnetOf,
} from "./address";

export type Pool = { base: Subnet; size: number };

const pool = (base: string, size: number): Pool => ({ base: parseSubnet(base) as Subnet, size });

/** For the default network, best first. */
export const defaultPools: readonly Pool[] = [
  pool("10.88.0.0/16", 16),
  pool("10.89.0.0/16", 16),
  pool("10.128.0.0/9", 16),
  pool("172.16.0.0/12", 16),
  pool("192.168.0.0/16", 20),
];

/** For networks that users make, best first. */
export const userPools: readonly Pool[] = [
  pool("10.89.0.0/16", 24),
  pool("10.90.0.0/15", 24),
  pool("10.92.0.0/14", 24),
  pool("10.96.0.0/11", 24),
  pool("10.128.0.0/9", 24),
  pool("172.16.0.0/12", 24),
  pool("192.168.0.0/16", 24),
];

/** What is never an address on an interface of its own, or means something else in a container. */
const reserved: readonly [string, string][] = [
  ["0.0.0.0/8", "these are addresses of nobody"],
  ["127.0.0.0/8", "it is the loopback"],
  ["169.254.0.0/16", "the host has an address in it that containers reach it by"],
  ["224.0.0.0/3", "these are addresses of groups, or reserved"],
  ["::/96", "the loopback is in it"],
  ["::ffff:0:0/96", "these are IPv4 addresses"],
  ["fe80::/10", "every interface has its own addresses in it"],
  ["ff00::/8", "these are addresses of groups"],
  ["fd00:70:726f:61::/64", "the host has an address in it that containers reach it by"],
];

/** Why containers cannot have these addresses; undefined where they can. */
export function reservedBecause(subnet: Subnet): string | undefined {
  return reserved.find(([each]) => overlaps(parseSubnet(each) as Subnet, subnet))?.[1];
}

/** A route so wide may be a VPN's for all private addresses: better a part of it than no network. */
const WIDE_PREFIX = 16;

/**
 * The first part of the pools that is free. Where routes leave nothing, wide ones are overlooked.
 *
 * @param used subnets of our own networks
 * @param routes what the host reaches by a route that is not its default
 * @throws EngineError `unsupported` where nothing is free
 */
export function chooseSubnet(
  pools: readonly Pool[],
  used: readonly Subnet[],
  routes: readonly Subnet[],
): Subnet {
  const narrow = routes.filter(({ prefix }) => prefix > WIDE_PREFIX);
  const found = firstFree(pools, [...used, ...routes]) ?? firstFree(pools, [...used, ...narrow]);
  if (found) return found;
  throw new EngineError("unsupported", "choose subnet", "", "all of the address pools is in use", {
    hint: "give one with --subnet, or more of them with network.subnet-pools in config.toml",
  });
}

function firstFree(pools: readonly Pool[], taken: readonly Subnet[]): Subnet | undefined {
  for (const { base, size } of pools) {
    const { family } = base;
    const step = 1n << BigInt(bitsOf(family) - size);
    const end = lastOf(base);
    let value = base.value;
    while (value <= end) {
      const candidate = subnetOf({ family, value }, size);
      const collider = taken.find((each) => overlaps(each, candidate));
      if (!collider) return candidate;
      const behind = lastOf(collider) + 1n; // past all of it, however wide, to the next border
      value = behind > value + step ? ((behind + step - 1n) / step) * step : value + step;
    }
  }
  return undefined;
}

/** A random /48 of fd00::/8, as 12 hexadecimal digits. */
export function randomUlaPrefix(): string {
  const random = crypto.getRandomValues(new Uint8Array(5));
  return `fd${[...random].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** The pool of /64s below a /48 of 12 hexadecimal digits. */
export function ulaPool(prefix: string): Pool {
  return { base: { family: 6, value: BigInt(`0x${prefix}`) << 80n, prefix: 48 }, size: 64 };
}

/** What the host reaches by routes other than its default, and the addresses of its resolvers. */
export function hostRoutes(read: (path: string) => string = readIfThere): Subnet[] {
  return [
    ...parseRoutes4(read("/proc/net/route")),
    ...parseRoutes6(read("/proc/net/ipv6_route")),
    ...parseResolvers(read("/etc/resolv.conf")),
  ];
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // a host without IPv6 has no file
  }
}

/** `/proc/net/route`: destination and mask are the second and eighth column, hexadecimal in the machine's byte order. */
export function parseRoutes4(text: string): Subnet[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const columns = line.split("\t");
      const value = littleEndian(columns[1]);
      const mask = littleEndian(columns[7]);
      if (value === null || mask === null || mask === 0n) return [];
      return [subnetOf({ family: 4, value }, prefixOf(mask))];
    });
}

function littleEndian(hex: string | undefined): bigint | null {
  if (hex === undefined || !/^[0-9A-F]{8}$/i.test(hex)) return null;
  return BigInt(`0x${hex.match(/../g)?.reverse().join("")}`);
}

function prefixOf(mask: bigint): number {
  return mask.toString(2).replaceAll("0", "").length;
}

/** `/proc/net/ipv6_route`: destination and its length are the first two columns, hexadecimal. */
export function parseRoutes6(text: string): Subnet[] {
  return text.split("\n").flatMap((line) => {
    const [hex = "", length = ""] = line.split(/\s+/);
    const prefix = Number.parseInt(length, 16);
    if (!/^[0-9a-f]{32}$/i.test(hex) || !(prefix > 0)) return [];
    const subnet = subnetOf({ family: 6, value: BigInt(`0x${hex}`) }, prefix);
    return isSpecial(subnet) ? [] : [subnet];
  });
}

/** Link-local and multicast routes, which every interface has. */
function isSpecial({ family, value }: Address): boolean {
  const top = value >> BigInt(bitsOf(family) - 16);
  return top === 0xfe80n || top >> 8n === 0xffn;
}

function parseResolvers(text: string): Subnet[] {
  return text.split("\n").flatMap((line) => {
    const [, address] = /^\s*nameserver\s+(\S+)/.exec(line) ?? [];
    const parsed = address === undefined ? null : parseAddress(address);
    return parsed ? [subnetOf(parsed, bitsOf(parsed.family))] : [];
  });
}
