import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  type AskedNetwork,
  createNetwork,
  defaultNetwork,
  deniedSubnets,
  findNetwork,
  hostBindingOf,
  keepEndpoints,
  listNetworks,
  pairSubnets,
  pruneNetworks,
  removeNetwork,
  reserveEndpoints,
} from "../../src/network";
import { deleteContainer } from "../../src/state";
import { askedNetwork, makePlace, networkOn, type Place } from "./_place";

let place: Place;
beforeEach(() => {
  place = makePlace();
});
afterEach(() => place.dispose());

const create = (more: Partial<AskedNetwork>, name = "net") =>
  createNetwork(place.context, askedNetwork(name, more));

describe("createNetwork() refuses", () => {
  test.each(["", " ", "-x", ".x", "a b", "a/b", "ä", "a\n", "x".repeat(129)])("the name %p", (name) => {
    expect(() => create({}, name)).toThrow("it cannot be the name of a network");
  });

  test.each([
    "proa",
    "bridge",
    "default",
    "host",
    "none",
    "container",
    "ns",
    "pasta",
    "slirp4netns",
    "private",
  ])("the predefined name %p", (name) =>
    expect(() => create({}, name)).toThrow("a predefined network has this name"),
  );

  test.each([
    ["macvlan", "which only root can give"],
    ["ipvlan", "which only root can give"],
    ["overlay", "swarm"],
    ["host", "there already"],
    ["none", "there already"],
    ["nope", "there is no such driver"],
    ["constructor", "there is no such driver"],
  ])("the driver %p", (driver, why) => {
    expect(() => create({ driver })).toThrow(why);
  });

  test.each([
    ["nonsense", "it is no subnet"],
    ["10.90.0.0", "it is no subnet"],
    ["127.1.0.0/16", "it is the loopback"],
    ["169.254.7.0/24", "the host has an address in it"],
    ["224.1.0.0/16", "addresses of groups"],
    ["0.0.0.0/0", "addresses of nobody"],
    ["::/0", "the loopback is in it"],
    ["fe80::/64", "every interface"],
    ["ff02::/64", "addresses of groups"],
    ["fd00:70:726f:61::/64", "the host has an address in it"],
    ["10.90.0.4/32", "no room"],
    ["fd00::4/128", "no room"],
    ["16.0.0.0/5", "it is too large"],
  ])("the subnet %p", (subnet, why) => {
    expect(() => create({ subnets: [{ subnet }] })).toThrow(why);
  });

  test.each([
    [{ gateway: "10.91.0.1" }, "it is not in 10.90.0.0/24"],
    [{ gateway: "10.90.0.0" }, "the network's own address"],
    [{ gateway: "x" }, "it is no address"],
    [{ range: "10.91.0.0/25" }, "it is not in 10.90.0.0/24"],
    [{ range: "10.90.0.0/16" }, "it is not in 10.90.0.0/24"],
    [{ range: "x" }, "it is no range"],
    [{ auxiliary: { a: "10.91.0.1" } }, "it is not in 10.90.0.0/24"],
  ])("%j of a subnet", (more, why) => {
    expect(() => create({ subnets: [{ subnet: "10.90.0.0/24", ...more }] })).toThrow(why);
  });

  test("a gateway without a subnet", () => {
    expect(() => create({ subnets: [{ gateway: "10.90.0.1" }] })).toThrow("it belongs to no subnet");
  });

  test("what overlaps, in the same network or another, and names that", () => {
    const two = [{ subnet: "10.90.0.0/24" }, { subnet: "10.90.0.128/25" }];
    expect(() => create({ subnets: two })).toThrow("another of the subnets given");
    networkOn(place, "10.90.0.0/24", { name: "first" });
    expect(() => create({ subnets: [{ subnet: "10.90.0.128/25" }] })).toThrow(
      "it overlaps with 10.90.0.0/24 of network first",
    );
  });

  test("a name and a bridge that are taken", () => {
    create({ bridge: "br7" });
    expect(() => create({})).toThrow("the name is used by network");
    expect(() => create({ bridge: "br7" }, "other")).toThrow(
      "another network has this name for its interface",
    );
    expect(() => create({ bridge: "much-too-long-name" }, "other")).toThrow(
      "it cannot be the name of an interface",
    );
  });

  test("addresses of no family, and a family that was turned off", () => {
    expect(() => create({ ipv4: false })).toThrow("would have no addresses");
    expect(() => create({ ipv4: false, subnets: [{ subnet: "10.90.0.0/24" }] })).toThrow(
      "an IPv4 subnet was given",
    );
  });

  test.each([
    [{ mtu: "67" }, "68 to 65535"],
    [{ mtu: "abc" }, "68 to 65535"],
    [{ "com.docker.network.driver.mtu": "65536" }, "68 to 65535"],
    [{ isolate: "false" }, "networks are always isolated"],
    [{ isolate: "maybe" }, "true or false"],
    [{ "com.docker.network.bridge.enable_ip_masquerade": "false" }, "routing it needs root"],
    [{ "com.docker.network.bridge.enable_icc": "x" }, "true or false"],
    [{ "com.docker.network.bridge.gateway_mode_ipv4": "routed" }, "routing it needs root"],
    [{ "com.docker.network.bridge.host_binding_ipv4": "::1" }, "expected an IPv4 address"],
    [{ "com.docker.network.bridge.name": "a/b" }, "it cannot be the name of an interface"],
    [{ vlan: "7" }, "VLAN"],
    [{ metric: "7" }, "one default route"],
    [{ nope: "1" }, "there is no such option"],
    [{ toString: "1" }, "there is no such option"],
  ])("the options %j", (options, why) => {
    expect(() => create({ options: options as unknown as Record<string, string> })).toThrow(why);
  });

  test("IPv6 over a link that is too narrow for it", () => {
    expect(() => create({ ipv6: true, options: { mtu: "1279" } })).toThrow("needs 1280 or more");
  });

  test.each([
    ["10.1.0.0/16", "expected DESTINATION,GATEWAY"],
    ["10.1.0.0/16,fd00::1", "of one family"],
    ["10.1.0.0/16,10.90.0.9,100", "routes have no metric here"],
    ["0.0.0.0/0,10.90.0.9", "the default route leads to the gateway"],
    ["10.1.0.0/16,10.91.0.9", "is in no subnet of the network"],
    ["10.90.0.128/25,10.90.0.9", "is in the network itself"],
  ])("the route %p", (route, why) => {
    expect(() => create({ subnets: [{ subnet: "10.90.0.0/24" }], routes: [route] })).toThrow(why);
  });

  test("name servers that are no addresses, or that nobody asks", () => {
    expect(() => create({ resolvers: ["dns.example"] })).toThrow("no address of a name server");
    expect(() => create({ resolvers: ["9.9.9.9"], names: false })).toThrow("asks nobody");
    expect(() => create({ resolvers: Array.from({ length: 9 }, (_, at) => `9.9.9.${at}`) })).toThrow(
      "9 name servers",
    );
  });

  test("more subnets than a bridge is given", () => {
    const subnets = Array.from({ length: 33 }, (_, at) => ({ subnet: `10.90.${at}.0/24` }));
    expect(() => create({ subnets })).toThrow("33 subnets");
  });
});

describe("createNetwork()", () => {
  test("chooses subnet, gateway and bridge, apart from all others", () => {
    defaultNetwork(place.context);
    const one = create({ ipv6: true }, "one");
    const two = create({}, "two");
    expect(one.subnets[0]?.gateway).toEndWith(".1");
    expect(one.subnets.map(({ family }) => family)).toEqual([4, 6]);
    expect(one.subnets[0]?.subnet).not.toBe(two.subnets[0]?.subnet as string);
    expect([one.bridge, two.bridge]).toEqual(["proa1", "proa2"]);
    expect(defaultNetwork(place.context).bridge).toBe("proa0");
  });

  test("keeps what was asked for", () => {
    const asked = {
      subnets: [
        {
          subnet: "10.90.7.9/24",
          gateway: "10.90.7.254",
          range: "10.90.7.128/25",
          auxiliary: { a: "10.90.7.3" },
        },
      ],
      internal: true,
      labels: { a: "b" },
      options: {
        mtu: "9000",
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
      },
      resolvers: ["9.9.9.9", "FD00::53"],
      bridge: "back0",
    };
    create(asked);
    const network = findNetwork(place.again(), "test", "net");
    expect(network).toMatchObject({
      bridge: "back0",
      internal: true,
      isolated: true,
      mtu: 9000,
      labels: { a: "b" },
      options: asked.options,
      resolvers: ["9.9.9.9", "fd00::53"],
      subnets: [
        {
          family: 4,
          subnet: "10.90.7.0/24",
          gateway: "10.90.7.254",
          range: "10.90.7.128/25",
          auxiliary: { a: "10.90.7.3" },
        },
      ],
    });
    expect(hostBindingOf(network)).toBe("127.0.0.1");
  });

  test("takes subnets of a user's one prefix for IPv6", () => {
    const prefix = (name: string): string =>
      create({ ipv6: true }, name).subnets[1]?.subnet.split(":").slice(0, 3).join(":") ?? "";
    expect(prefix("one")).toBe(prefix("two"));
  });

  test("takes subnets from the configured pools, until they are used up", () => {
    place.configure(
      '[network]\ndefault-subnet = "10.7.0.0/24"\nmtu = 1400\nsubnet-pools = [{ base = "10.8.0.0/23", size = 24 }]\n',
    );
    const context = place.again();
    expect(defaultNetwork(context)).toMatchObject({ mtu: 1400, subnets: [{ subnet: "10.7.0.0/24" }, {}] });
    const of = (name: string) => createNetwork(context, askedNetwork(name)).subnets[0]?.subnet;
    expect([of("a"), of("b")]).toEqual(["10.8.0.0/24", "10.8.1.0/24"]);
    expect(() => of("c")).toThrow("all of the address pools is in use");
  });
});

describe("config.toml", () => {
  test("pools that no container could have addresses of are refused", () => {
    place.configure('[network]\nsubnet-pools = [{ base = "224.0.0.0/8", size = 24 }]\n');
    expect(() => createNetwork(place.again(), askedNetwork("a"))).toThrow("these are addresses of groups");
  });

  test.each([
    ["network = 7\n", "network is not a table"],
    ["[network]\nnope = 1\n", 'unknown setting "network.nope"'],
    ["[network]\nmtu = 100\n", "network.mtu is not a number from 1280"],
    ["[network]\nipv6 = 1\n", "network.ipv6 is not true or false"],
    ['[network]\ndeny = "10.0.0.0/8"\n', "network.deny is not a list"],
    ["[network]\nsubnet-pools = [{ base = 1, size = 2 }]\n", "network.subnet-pools is not a list"],
    ['[network]\ndefault-subnet = "fd00::/64"\n', "is not an IPv4 subnet with room"],
    ['[network]\ndefault-subnet = "x"\n', "is not an IPv4 subnet with room"],
    ['[network]\ndefault-subnet = "127.0.0.0/8"\n', "it is the loopback"],
    ['[network]\ndefault-subnet = "169.254.0.0/16"\n', "the host has an address in it"],
  ])("%p is refused", (toml, why) => {
    place.configure(toml);
    expect(() => defaultNetwork(place.again())).toThrow(why);
  });

  test("a change makes the default network anew where nothing uses it, and else once nothing does", () => {
    const { id } = defaultNetwork(place.context);
    const web = place.container("web");
    reserveEndpoints(place.context, web.id, [{ network: defaultNetwork(place.context) }]);
    place.configure('[network]\ndefault-subnet = "10.7.0.0/24"\nipv6 = false\nmtu = 1400\n');
    const context = place.again();
    expect(defaultNetwork(context).id).toBe(id);
    web.end();
    expect(defaultNetwork(context).id).toBe(id); // it is set up for the container's next start
    deleteContainer(context.db(), web.id);
    expect(defaultNetwork(context)).toMatchObject({
      bridge: "proa0",
      mtu: 1400,
      subnets: [{ subnet: "10.7.0.0/24" }],
    });
    expect(defaultNetwork(context).id).not.toBe(id);
    expect(defaultNetwork(context).id).toBe(defaultNetwork(context).id);
  });

  test("denied subnets and addresses are read, and refused where they are neither", () => {
    place.configure('[network]\ndeny = ["169.254.169.254", "10.0.0.0/8", "FD00::1"]\n');
    expect(deniedSubnets(place.again())).toEqual(["169.254.169.254/32", "10.0.0.0/8", "fd00::1/128"]);
    place.configure('[network]\ndeny = ["metadata"]\n');
    expect(() => deniedSubnets(place.again())).toThrow('"metadata" is neither a subnet nor an address');
  });
});

describe("findNetwork()", () => {
  test("takes names, ids, beginnings of ids and the further names of the default network", () => {
    const net = create({});
    const { context } = place;
    for (const reference of ["net", net.id, net.id.slice(0, 12)])
      expect(findNetwork(context, "test", reference).id).toBe(net.id);
    for (const reference of ["proa", "bridge", "default"])
      expect(findNetwork(context, "test", reference).name).toBe("proa");
    expect(findNetwork(context, "test", "host").driver).toBe("host");
    expect(findNetwork(context, "test", "none").driver).toBe("null");
    expect(() => findNetwork(context, "test", "nope")).toThrow("test: nope: no such network");
    expect(() => findNetwork(context, "test", "")).toThrow("no such network");
    expect(() => findNetwork(context, "test", "%")).toThrow("no such network");
  });

  test("a name goes before the id that it looks like, and a beginning of several is refused", () => {
    const ids = Array.from({ length: 20 }, (_, at) => create({}, `n${at}`).id);
    const shared =
      "0123456789abcdef".split("").find((digit) => ids.filter((id) => id.startsWith(digit)).length > 1) ?? "";
    expect(() => findNetwork(place.context, "test", shared)).toThrow(
      "several networks have ids that begin so",
    );
    const named = create({}, shared);
    expect(findNetwork(place.context, "test", shared).id).toBe(named.id);
  });
});

describe("removing", () => {
  test("the predefined networks is refused", () => {
    for (const name of ["proa", "host", "none"])
      expect(() => removeNetwork(place.context, findNetwork(place.context, "test", name), true)).toThrow(
        "it is predefined",
      );
  });

  test("a network of a running container is refused by name, also by force", () => {
    const network = create({});
    const web = place.container("web");
    reserveEndpoints(place.context, web.id, [{ network }]);
    for (const isForced of [false, true])
      expect(() => removeNetwork(place.context, network, isForced)).toThrow("it is used by container web");
    web.end();
    expect(() => removeNetwork(place.context, network, false)).toThrow("it is used by container web");
    removeNetwork(place.context, network, true);
    expect(() => findNetwork(place.context, "test", "net")).toThrow("no such network");
  });

  test("unused networks leaves those that a container is set up for, and what the filter does not take", () => {
    const kept = create({}, "kept");
    create({}, "old");
    create({ labels: { stay: "1" } }, "labelled");
    const web = place.container("web");
    web.end();
    keepEndpoints(place.context, web.id, [{ network: kept }]);
    expect(pruneNetworks(place.context, ({ labels }) => labels["stay"] === undefined)).toEqual(["old"]);
    expect(listNetworks(place.context).map(({ name }) => name)).toEqual([
      "host",
      "kept",
      "labelled",
      "none",
      "proa",
    ]);
  });
});

describe("pairSubnets()", () => {
  test("gives each gateway, range and auxiliary address to the subnet that it lies in", () => {
    expect(
      pairSubnets(["10.90.0.0/24", "fd00::/64"], ["fd00::5", "10.90.0.7"], ["10.90.0.128/25"], {
        a: "10.90.0.3",
      }),
    ).toEqual([
      {
        subnet: "10.90.0.0/24",
        gateway: "10.90.0.7",
        range: "10.90.0.128/25",
        auxiliary: { a: "10.90.0.3" },
      },
      { subnet: "fd00::/64", gateway: "fd00::5" },
    ]);
  });

  test("refuses what lies in none, and a second one", () => {
    expect(() => pairSubnets([], ["10.90.0.1"], [], {})).toThrow("it is in no subnet that was given");
    expect(() => pairSubnets(["10.90.0.0/24"], ["10.91.0.1"], [], {})).toThrow("it is in no subnet");
    expect(() => pairSubnets(["10.90.0.0/24"], ["10.90.0.1", "10.90.0.2"], [], {})).toThrow(
      "has the gateway 10.90.0.1",
    );
    expect(() => pairSubnets(["10.90.0.0/24"], ["x"], [], {})).toThrow("it is no address");
    expect(() => pairSubnets(["10.90.0.0/24"], [], ["10.90.0.0/26", "10.90.0.64/26"], {})).toThrow(
      "has the range",
    );
  });
});
