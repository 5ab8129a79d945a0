import { describe, expect, test } from "bun:test";
import {
  canonicalAddress,
  canonicalMac,
  contains,
  formatAddress,
  formatSubnet,
  hostsOf,
  macOf,
  overlaps,
  parseAddress,
  parseRange,
  parseSubnet,
  type Subnet,
} from "../../src/network/address";

const subnet = (text: string): Subnet => parseSubnet(text) as Subnet;

describe("parseAddress()", () => {
  test.each([
    "",
    ".",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.-4",
    "0x1.2.3.4",
    "1.2.3.4/24",
    "1.2.3.4%eth0",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8:9",
    "12345::",
    "g::",
    "fe80::1%eth0",
    "::1.2.3",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:8::",
    "١.2.3.4",
  ])("refuses %p", (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  test.each([
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["FD00::0001", "fd00::1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:0:2:3:0:0:4", "1::2:3:0:0:4"],
    ["1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
  ])("reads %p as %p", (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  test("reads what formatAddress() has written, whatever the number", () => {
    for (let round = 0; round < 2000; round++) {
      const groups = Array.from({ length: 8 }, () =>
        Math.random() < 0.5 ? 0 : Math.floor(Math.random() * 65536),
      );
      const value = groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
      expect(parseAddress(formatAddress({ family: 6, value }))).toEqual({ family: 6, value });
      const v4 = value & 0xffffffffn;
      expect(parseAddress(formatAddress({ family: 4, value: v4 }))).toEqual({ family: 4, value: v4 });
    }
  });
});

describe("parseSubnet()", () => {
  test.each([
    "",
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "/8",
    "10.0.0.0/0x8",
  ])("refuses %p", (text) => expect(parseSubnet(text)).toBeNull());

  test("cuts host bits off", () => {
    expect(formatSubnet(subnet("10.88.3.7/16"))).toBe("10.88.0.0/16");
    expect(formatSubnet(subnet("fd00:1::5/64"))).toBe("fd00:1::/64");
    expect(formatSubnet(subnet("1.2.3.4/0"))).toBe("0.0.0.0/0");
  });
});

describe("parseRange()", () => {
  test("takes a subnet or two ends in order", () => {
    expect(parseRange("10.0.0.16/28")).toEqual({ family: 4, first: 0x0a000010n, last: 0x0a00001fn });
    expect(parseRange("10.0.0.5-10.0.0.9")).toEqual({ family: 4, first: 0x0a000005n, last: 0x0a000009n });
    for (const wrong of [
      "10.0.0.9-10.0.0.5",
      "10.0.0.5-fd00::1",
      "10.0.0.5-",
      "a-b",
      "10.0.0.5-10.0.0.6-10.0.0.7",
    ])
      expect(parseRange(wrong)).toBeNull();
  });
});

test("hostsOf() leaves out the network's own address and the one for broadcasts", () => {
  const of = (text: string) => {
    const { first, last } = hostsOf(subnet(text));
    const { family } = subnet(text);
    return [first, last].map((value) => formatAddress({ family, value }));
  };
  expect(of("10.0.0.0/24")).toEqual(["10.0.0.1", "10.0.0.254"]);
  expect(of("10.0.0.0/30")).toEqual(["10.0.0.1", "10.0.0.2"]);
  expect(of("10.0.0.0/31")).toEqual(["10.0.0.0", "10.0.0.1"]);
  expect(of("fd00::/126")).toEqual(["fd00::1", "fd00::3"]);
});

test("overlaps() and contains() compare within a family", () => {
  expect(overlaps(subnet("10.0.0.0/8"), subnet("10.88.0.0/16"))).toBe(true);
  expect(overlaps(subnet("10.88.0.0/16"), subnet("10.0.0.0/8"))).toBe(true);
  expect(overlaps(subnet("10.88.0.0/16"), subnet("10.89.0.0/16"))).toBe(false);
  expect(overlaps(subnet("0.0.0.0/0"), subnet("::/0"))).toBe(false);
  expect(contains(subnet("10.88.0.0/16"), { family: 4, value: 0x0a58ffffn })).toBe(true);
  expect(contains(subnet("10.88.0.0/16"), { family: 6, value: 0x0a58ffffn })).toBe(false);
});

test("canonicalMac() refuses groups and nonsense", () => {
  expect(canonicalMac("02:42:AC:11:00:02")).toBe("02:42:ac:11:00:02");
  expect(canonicalMac("02-42-ac-11-00-02")).toBe("02:42:ac:11:00:02");
  for (const wrong of [
    "",
    "02:42:ac:11:00",
    "02:42:ac:11:00:02:03",
    "03:42:ac:11:00:02",
    "02:42-ac:11:00:02",
    "00:00:00:00:00:00",
    "ff:ff:ff:ff:ff:ff",
    "0g:42:ac:11:00:02",
  ])
    expect(canonicalMac(wrong)).toBeNull();
});

test("macOf() is docker's: 02:42 and the address", () => {
  expect(macOf({ family: 4, value: 0x0a580002n })).toBe("02:42:0a:58:00:02");
});
