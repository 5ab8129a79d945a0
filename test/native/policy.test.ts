/** Where a container may go: native/net/policy.c and native/net/address.c, through policy_probe.c. */
import { describe, expect, test } from "bun:test";
import { useProbe } from "./_probe";

const ask = useProbe("policy_probe.c", ["net/policy.c", "net/address.c"]);

describe("policy_way()", () => {
  test.each([
    "1.1.1.1",
    "192.168.1.1",
    "10.87.255.255",
    "10.89.7.127",
    "169.254.169.254",
    "128.0.0.1",
    "240.0.0.1",
    "255.255.255.254",
    "2606:4700::1111",
    "fd89::1",
    "64:ff9b::101:101",
    "2002:101:101::1",
    "100::1",
  ])("leads to %s as it is", (address) => {
    expect(ask(`way ${address}`)).toBe(address);
  });

  test.each([
    ["loopback", ["127.0.0.1", "127.1.2.3", "127.255.255.255", "::1"]],
    ["what connect() takes for it", ["0.0.0.0", "0.0.0.1", "0.255.255.255", "::"]],
    ["v4-mapped", ["::ffff:127.0.0.1", "::ffff:1.1.1.1", "::ffff:0.0.0.0", "::ffff:0:0"]],
    ["v4-compatible and translated", ["::127.0.0.1", "::1.1.1.1", "::ffff:0:127.0.0.1"]],
    ["multicast and broadcast", ["224.0.0.1", "239.255.255.250", "255.255.255.255", "ff02::1", "ff0e::1"]],
    ["link-local and site-local of IPv6", ["fe80::1", "febf::1", "fec0::1"]],
    ["loopback inside of NAT64", ["64:ff9b::127.0.0.1", "64:ff9b::0.0.0.0", "64:ff9b:1::127.0.0.1"]],
    ["loopback inside of 6to4", ["2002:7f00:1::", "2002:7f00:1::5", "2002::1"]],
    ["loopback inside of Teredo", ["2001:0:7f00:1::", "2001:0:101:101::80ff:fffe"]],
    ["loopback inside of ISATAP", ["2001:db8::5efe:127.0.0.1", "2001:db8::200:5efe:127.0.0.1"]],
    [
      "a network of containers",
      ["10.88.0.1", "10.88.255.255", "10.89.7.128", "10.89.7.255", "fd88::1", "fd88::ffff"],
    ],
    ["one inside of NAT64", ["64:ff9b::10.88.0.2"]],
    ["the host's address for containers", ["169.254.1.2", "fd00:70:726f:61::2"]],
  ])("prohibits %s", (_what, addresses) => {
    for (const address of addresses)
      expect([address, ask(`way ${address}`)]).toEqual([address, "prohibited"]);
  });

  test("the host's address for containers is its loopback where that is allowed, and nothing else is", () => {
    expect(ask("way 169.254.1.2 host-loopback")).toBe("127.0.0.1");
    expect(ask("way fd00:70:726f:61::2 host-loopback")).toBe("::1");
    for (const address of ["127.0.0.1", "::1", "169.254.1.3", "::ffff:169.254.1.2"])
      expect([address, ask(`way ${address} host-loopback`)]).toEqual([
        address,
        address === "169.254.1.3" ? address : "prohibited",
      ]);
  });

  test("an internal network leads nowhere, not to the host's loopback either", () => {
    for (const address of ["1.1.1.1", "2606:4700::1111"])
      expect(ask(`way ${address} internal`)).toBe("prohibited");
    expect(ask("way 169.254.1.2 host-loopback internal")).toBe("prohibited");
  });

  test("denied ranges are prohibited, also inside of addresses that a translator takes apart", () => {
    const denied = ["169.254.169.254", "192.168.0.0/16", "fd01:db8::/32"];
    for (const address of [
      "169.254.169.254",
      "192.168.255.1",
      "fd01:db8::1",
      "64:ff9b::169.254.169.254",
      "2002:c0a8:1::1",
      "::ffff:169.254.169.254",
    ])
      expect([address, ask(`way ${address}`, denied)]).toEqual([address, "prohibited"]);
    for (const address of ["169.254.169.253", "192.169.0.1", "fd02:db8::1"])
      expect(ask(`way ${address}`, denied)).toBe(address);
  });

  test("a denied loopback is denied by the host's address for containers too", () => {
    expect(ask("way 169.254.1.2 host-loopback", ["127.0.0.0/8"])).toBe("prohibited");
    expect(ask("way fd00:70:726f:61::2 host-loopback", ["127.0.0.0/8"])).toBe("::1");
  });
});

describe("range_parse()", () => {
  test.each([
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.0.0.0/9", "10.128.0.0", false],
    ["0.0.0.0/0", "255.1.1.1", true],
    ["0.0.0.0/0", "::1", false],
    ["fd00::/7", "fc00::1", true],
    ["1.2.3.4", "1.2.3.4", true],
    ["1.2.3.4/31", "1.2.3.5", true],
    ["::/0", "ff02::1", true],
  ])("%s has %s: %p", (range, address, has) => {
    expect(ask(`range ${range} ${address}`)).toBe(has);
  });

  test.each([
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "10.0.0.0/8x",
    "10.0.0/8",
    "/8",
    "name/8",
    "1.2.3.4/+8",
  ])("%s is none", (range) => {
    expect(ask(`range ${range} 10.0.0.1`)).toBe("none");
  });
});

test("address_broadcast() is the last address, and none of prefixes without one", () => {
  expect(ask("broadcast 10.88.3.4 16")).toBe("10.88.255.255");
  expect(ask("broadcast 10.88.3.4 30")).toBe("10.88.3.7");
  for (const [address, prefix] of [
    ["10.88.3.4", 31],
    ["10.88.3.4", 32],
    ["fd88::1", 64],
  ])
    expect(ask(`broadcast ${address} ${prefix}`)).toBe("");
});
