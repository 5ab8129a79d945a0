/** IP addresses, subnets and MAC addresses as text and as numbers. Text is canonical: IPv6 as RFC 5952 has it. */

export type Family = 4 | 6;

/** An address as a number of 32 or 128 bits. */
export type Address = { family: Family; value: bigint };

/** A subnet; `value` is its network address, without host bits. */
export type Subnet = Address & { prefix: number };

export const bitsOf = (family: Family): number => (family === 4 ? 32 : 128);

/** Read an address as users write it; no zone, no leading zeros in IPv4. Returns null where it is none. */
export function parseAddress(text: string): Address | null {
  const value = text.includes(":") ? parseV6(text) : parseV4(text);
  return value === null ? null : { family: text.includes(":") ? 6 : 4, value };
}

function parseV4(text: string): bigint | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let value = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseV6(text: string): bigint | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head = "", tail] = halves;
  const left = groupsOf(head, tail === undefined);
  const right = tail === undefined ? [] : groupsOf(tail, true);
  if (left === null || right === null) return null;
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const groups = [...left, ...new Array<number>(missing).fill(0), ...right];
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

/** The 16-bit groups of one side of `::`; a dotted IPv4 address may stand at the end of the whole. */
function groupsOf(text: string, isEnd: boolean): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [at, part] of parts.entries()) {
    if (part.includes(".") && isEnd && at === parts.length - 1) {
      const v4 = parseV4(part);
      if (v4 === null) return null;
      groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn));
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
  const groups = Array.from({ length: 8 }, (_, at) => (value >> BigInt(112 - 16 * at)) & 0xffffn);
  const { from, length } = longestZeros(groups);
  const hex = (part: bigint[]): string => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, from))}::${hex(groups.slice(from + length))}`;
}

function longestZeros(groups: readonly bigint[]): { from: number; length: number } {
  let best = { from: 0, length: 0 };
  for (let from = 0; from < groups.length; from++) {
    let length = 0;
    while (groups[from + length] === 0n) length++;
    if (length > best.length) best = { from, length };
  }
  return best;
}

/** The canonical text of an address, or null where it is none. */
export function canonicalAddress(text: string): string | null {
  const address = parseAddress(text);
  return address && formatAddress(address);
}

/** Read `ADDRESS/PREFIX`. Host bits are cut off, as docker and podman do. Returns null where it is no subnet. */
export function parseSubnet(text: string): Subnet | null {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = match && parseAddress(match[1] ?? "");
  const prefix = Number(match?.[2]);
  if (!address || prefix > bitsOf(address.family)) return null;
  return subnetOf(address, prefix);
}

/** The subnet of this length that an address lies in. */
export function subnetOf({ family, value }: Address, prefix: number): Subnet {
  const host = BigInt(bitsOf(family) - prefix);
  return { family, value: (value >> host) << host, prefix };
}

export function formatSubnet(subnet: Subnet): string {
  return `${formatAddress(subnet)}/${subnet.prefix}`;
}

/** The highest address of a subnet: in IPv4 the one for broadcasts. */
export function lastOf({ family, value, prefix }: Subnet): bigint {
  return value + (1n << BigInt(bitsOf(family) - prefix)) - 1n;
}

export function contains(subnet: Subnet, address: Address): boolean {
  return subnet.family === address.family && address.value >= subnet.value && address.value <= lastOf(subnet);
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.family === b.family && a.value <= lastOf(b) && b.value <= lastOf(a);
}

/**
 * The lowest and the highest address that containers can have: in IPv4 neither the network's own nor the one for broadcasts (RFC 3021
 * lets a /31 use both of its two), in IPv6 not the routers' anycast (RFC 4291, 2.6.1).
 */
export function hostsOf(subnet: Subnet): { first: bigint; last: bigint } {
  const last = lastOf(subnet);
  const room = bitsOf(subnet.family) - subnet.prefix;
  if (room < 2) return { first: subnet.value, last };
  return { first: subnet.value + 1n, last: subnet.family === 4 ? last - 1n : last };
}

/** Read a part of a subnet that addresses are given out of: a smaller subnet, or `FIRST-LAST`. Returns null where it is neither. */
export function parseRange(text: string): { family: Family; first: bigint; last: bigint } | null {
  const subnet = parseSubnet(text);
  if (subnet) return { family: subnet.family, first: subnet.value, last: lastOf(subnet) };
  const [from = "", to = "", ...more] = text.split("-");
  const [first, last] = [parseAddress(from), parseAddress(to)];
  if (!first || !last || more.length > 0 || first.family !== last.family || first.value > last.value)
    return null;
  return { family: first.family, first: first.value, last: last.value };
}

/** The lowest address that a host can have: the usual gateway. */
export function firstHost(subnet: Subnet): bigint {
  return hostsOf(subnet).first;
}

/** Read a MAC address of a single interface: six bytes, of which the first is even (not multicast), not all zero. Lower case with colons, or null. */
export function canonicalMac(text: string): string | null {
  const match = /^([0-9a-f]{2})([:-])(?:[0-9a-f]{2}\2){4}[0-9a-f]{2}$/i.exec(text);
  if (!match || Number.parseInt(match[1] ?? "", 16) % 2 === 1) return null;
  const mac = text.toLowerCase().replaceAll("-", ":");
  return mac === "00:00:00:00:00:00" ? null : mac;
}

/** The MAC address that goes with an address: docker's, 02:42 and the low four bytes, so that an address keeps its neighbours' caches true. */
export function macOf({ value }: Address): string {
  const bytes = [24n, 16n, 8n, 0n].map((shift) => Number((value >> shift) & 0xffn));
  return [0x02, 0x42, ...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
