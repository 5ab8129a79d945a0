/** The settings of networks in `config.toml`, read as addresses. */
import { join } from "node:path";
import { EngineError } from "../error";
import type { Context } from "../state";
import { bitsOf, formatSubnet, parseAddress, parseSubnet, type Subnet, subnetOf } from "./address";
import { defaultPools, type Pool, reservedBecause, userPools } from "./pools";

function wrong(context: Context, setting: string, why: string): EngineError {
  return new EngineError("invalid", "read configuration", join(context.paths.config, "config.toml"), why, {
    hint: `correct the setting network.${setting}`,
  });
}

/** Where the subnet of the default network comes from. */
export function poolsOfDefault(context: Context): readonly Pool[] {
  const text = context.network.defaultSubnet;
  if (text === undefined) return defaultPools;
  const base = parseSubnet(text);
  if (base?.family !== 4 || base.prefix > 30)
    throw wrong(context, "default-subnet", `"${text}" is not an IPv4 subnet with room for containers`);
  checkUsable(context, "default-subnet", base, text);
  return [{ base, size: base.prefix }];
}

function checkUsable(context: Context, setting: string, base: Subnet, text: string): void {
  const why = reservedBecause(base);
  if (why !== undefined) throw wrong(context, setting, `"${text}": ${why}`);
}

/** Where the IPv4 subnets of users' networks come from. */
export function poolsOfUsers(context: Context): readonly Pool[] {
  const { subnetPools } = context.network;
  if (subnetPools.length === 0) return userPools;
  return subnetPools.map(({ base: text, size }) => {
    const base = parseSubnet(text);
    if (base?.family !== 4) throw wrong(context, "subnet-pools", `"${text}" is not an IPv4 subnet`);
    if (size < base.prefix || size > 30)
      throw wrong(context, "subnet-pools", `parts of ${size} bits do not fit into ${text}`);
    checkUsable(context, "subnet-pools", base, text);
    return { base, size };
  });
}

/** Subnets outside that no container reaches, canonical. An address alone is a subnet of one. */
export function deniedSubnets(context: Context): string[] {
  return context.network.deny.map((text) => {
    const address = parseAddress(text);
    const subnet: Subnet | null = address ? subnetOf(address, bitsOf(address.family)) : parseSubnet(text);
    if (!subnet) throw wrong(context, "deny", `"${text}" is neither a subnet nor an address`);
    return formatSubnet(subnet);
  });
}
