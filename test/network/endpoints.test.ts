import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  addEndpoint,
  completeEndpoints,
  createNetwork,
  defaultNetwork,
  endpointPlans,
  endpointsOf,
  keepEndpoints,
  removeEndpoint,
  removeNetwork,
  reserveEndpoints,
  usedNetworkPlans,
  usersOf,
  type WantedEndpoint,
} from "../../src/network";
import { clearAllocations, deleteContainer } from "../../src/state";
import { askedNetwork, makePlace, networkOn, type Place } from "./_place";

let place: Place;
beforeEach(() => {
  place = makePlace();
});
afterEach(() => place.dispose());

describe("reserveEndpoints() refuses", () => {
  const asking = (config: object) => () => {
    const network = networkOn(place, "10.90.0.0/24", {
      ipv6: true,
      subnets: [{ subnet: "10.90.0.0/24", auxiliary: { router: "10.90.0.9" } }, { subnet: "fd00:5::/64" }],
    });
    return reserveEndpoints(place.context, place.container("web").id, [{ network, ...config }]);
  };

  test.each([
    [{ ipv4: "10.91.0.5" }, "assign address: 10.91.0.5: it is in no subnet of network net"],
    [{ ipv4: "10.90.0.0" }, "the network's own address"],
    [{ ipv4: "10.90.0.255" }, "the one for broadcasts"],
    [{ ipv4: "10.90.0.1" }, "it is the gateway of network net"],
    [{ ipv4: "10.90.0.9" }, "it is an auxiliary address"],
    [{ ipv4: "fd00:5::7" }, "it is no IPv4 address"],
    [{ ipv4: "nonsense" }, "it is no IPv4 address"],
    [{ ipv6: "10.90.0.7" }, "it is no IPv6 address"],
    [{ ipv6: "fd00:6::7" }, "it is in no subnet"],
    [{ mac: "03:00:00:00:00:01" }, "it is no MAC address of one interface"],
    [{ interface: "lo" }, "it cannot be the name of an interface"],
    [{ interface: "much-too-long-name" }, "it cannot be the name of an interface"],
    [{ interface: "a/b" }, "it cannot be the name of an interface"],
    [{ aliases: ["-x"] }, "it is no name of a host"],
    [{ aliases: [""] }, "it is no name of a host"],
    [{ driverOpts: { nope: "1" } }, "there is no such option of a connection"],
    [{ driverOpts: { "host-loopback": "1" } }, "host-loopback=1: expected true or false"],
  ])("%j", (config, why) => {
    expect(asking(config)).toThrow(why);
  });

  test("an address of a family that the network has none of", () => {
    const network = networkOn(place, "10.90.0.0/24");
    const { id } = place.container("web");
    expect(() => reserveEndpoints(place.context, id, [{ network, ipv6: "fd00::5" }])).toThrow(
      "has no IPv6 subnet",
    );
  });

  test("the host's loopback by a network that reaches nothing outside", () => {
    const network = networkOn(place, "10.90.0.0/24", { internal: true });
    const { id } = place.container("web");
    const ask = () => reserveEndpoints(place.context, id, [{ network, hostLoopback: true }]);
    expect(ask).toThrow("host-loopback: net: an internal network reaches nothing outside");
  });

  test("a network that has been removed since", () => {
    const network = networkOn(place, "10.90.0.0/24");
    removeNetwork(place.context, network, false);
    const { id } = place.container("web");
    expect(() => reserveEndpoints(place.context, id, [{ network }])).toThrow("the network has been removed");
  });

  test("two interfaces of one name, and leaves nothing behind", () => {
    const one = networkOn(place, "10.90.0.0/24");
    const two = networkOn(place, "10.91.0.0/24", { name: "two" });
    const { id } = place.container("web");
    const wanted = [
      { network: one, interface: "eth5" },
      { network: two, interface: "eth5" },
    ];
    expect(() => reserveEndpoints(place.context, id, wanted)).toThrow(
      "two connections of the container ask for it",
    );
    expect(endpointsOf(place.context, id)).toEqual([]);
  });
});

test("a container has 64 networks at most", () => {
  const networks = Array.from({ length: 65 }, (_, at) =>
    networkOn(place, `10.90.${at}.0/24`, { name: `n${at}` }),
  );
  const { id } = place.container("web");
  expect(() =>
    reserveEndpoints(
      place.context,
      id,
      networks.map((network) => ({ network })),
    ),
  ).toThrow("a container has 64 networks at most");
  reserveEndpoints(
    place.context,
    id,
    networks.slice(1).map((network) => ({ network })),
  );
  const [first] = networks;
  if (first)
    expect(() => addEndpoint(place.context, { id, name: "web" }, { network: first }, true)).toThrow(
      "64 networks at most",
    );
});

describe("reserveEndpoints() gives", () => {
  const reserve = (name: string, config: object = {}, network = defaultNetwork(place.context)) => {
    const container = place.container(name);
    const [endpoint] = reserveEndpoints(place.context, container.id, [{ network, ...config }]);
    return { ...container, endpoint: endpoint as NonNullable<typeof endpoint> };
  };

  test("the first addresses, the IPv6 one with the IPv4 one's number, and docker's MAC address", () => {
    const { endpoint } = reserve("web");
    expect(endpoint.ipv4).toBe("10.88.0.2");
    expect(endpoint.ipv6).toMatch(/^fd[0-9a-f:]+::2$/);
    expect(endpoint.mac).toBe("02:42:0a:58:00:02");
    expect(endpoint.interface).toBe("eth0");
  });

  test("an address that has been given back only when the others have had their turn", () => {
    const network = networkOn(place, "10.90.0.0/29"); // .1 gateway, .2 to .6
    const given: (string | null)[] = [];
    for (let round = 0; round < 7; round++) {
      const { id, endpoint, end } = reserve(`c${round}`, {}, network);
      given.push(endpoint.ipv4);
      end();
      clearAllocations(place.context.db(), id);
    }
    expect(given.map((address) => address?.split(".")[3])).toEqual(["2", "3", "4", "5", "6", "2", "3"]);
  });

  test("the asked address, also in another spelling, and names its holder to the next", () => {
    const network = networkOn(place, "10.90.0.0/24", {
      ipv6: true,
      subnets: [{ subnet: "10.90.0.0/24" }, { subnet: "fd00:5::/64" }],
    });
    const { endpoint } = reserve(
      "web",
      { ipv4: "10.90.0.77", ipv6: "FD00:5:0::0077", mac: "02-AA-00-00-00-01" },
      network,
    );
    expect([endpoint.ipv4, endpoint.ipv6, endpoint.mac]).toEqual([
      "10.90.0.77",
      "fd00:5::77",
      "02:aa:00:00:00:01",
    ]);
    expect(() => reserve("next", { ipv4: "10.90.0.77" }, network)).toThrow(
      /10\.90\.0\.77: it is used by container web \(/,
    );
    expect(() => reserve("other", { ipv6: "fd00:5::77" }, network)).toThrow("it is used by container web");
    expect(() => reserve("third", { mac: "02:aa:00:00:00:01" }, network)).toThrow(
      "it is used by container web",
    );
  });

  test("an asked address that a dead container still has, and every address of the dead where the subnet is full", () => {
    const network = networkOn(place, "10.90.0.0/29");
    const all = Array.from({ length: 5 }, (_, at) => reserve(`c${at}`, {}, network));
    expect(() => reserve("late", {}, network)).toThrow("every address of the network is in use");
    all[1]?.end();
    expect(reserve("static", { ipv4: all[1]?.endpoint.ipv4 ?? "" }, network).endpoint.ipv4).toBe(
      all[1]?.endpoint.ipv4 ?? "",
    );
    all[3]?.end();
    expect(reserve("next", {}, network).endpoint.ipv4).toBe(all[3]?.endpoint.ipv4 ?? "");
  });

  test("what a container that is not running asks for only when no other address is left", () => {
    const network = networkOn(place, "10.90.0.0/29");
    const kept = place.container("kept");
    kept.end();
    keepEndpoints(place.context, kept.id, [{ network, ipv4: "10.90.0.3" }]);
    const given = Array.from(
      { length: 5 },
      (_, at) => reserve(`c${at}`, {}, network).endpoint.ipv4?.split(".")[3],
    );
    expect(given).toEqual(["2", "4", "5", "6", "3"]);
  });

  test("addresses of the range only, auxiliary ones left out", () => {
    const subnets = [{ subnet: "10.90.0.0/24", range: "10.90.0.128/29", auxiliary: { a: "10.90.0.130" } }];
    const network = createNetwork(place.context, askedNetwork("ranged", { subnets }));
    const given = Array.from({ length: 7 }, (_, at) =>
      Number(reserve(`c${at}`, {}, network).endpoint.ipv4?.split(".")[3]),
    );
    expect(given).toEqual([128, 129, 131, 132, 133, 134, 135]);
    expect(() => reserve("late", {}, network)).toThrow("every address");
  });

  test("addresses of the second subnet when the first is full", () => {
    const network = networkOn(place, "", {
      subnets: [{ subnet: "10.90.0.0/30" }, { subnet: "10.91.0.0/30" }],
    });
    expect(reserve("a", {}, network).endpoint.ipv4).toBe("10.90.0.2");
    expect(reserve("b", {}, network).endpoint.ipv4).toBe("10.91.0.2");
  });

  test("IPv6 alone where the network has no other", () => {
    const network = networkOn(place, "fd00:7::/64", { ipv4: false });
    const { endpoint } = reserve("a", {}, network);
    expect([endpoint.ipv4, endpoint.ipv6, endpoint.mac]).toEqual([null, "fd00:7::2", "02:42:00:00:00:02"]);
  });

  test("no address twice and none that is not a host's, in any order of starts and ends", () => {
    const network = networkOn(place, "10.90.0.0/27", {
      subnets: [{ subnet: "10.90.0.0/27", gateway: "10.90.0.9" }],
    });
    const living: ReturnType<typeof reserve>[] = [];
    for (let round = 0; round < 200; round++) {
      if (living.length > 0 && (living.length > 25 || Math.random() < 0.4)) {
        const [gone] = living.splice(Math.floor(Math.random() * living.length), 1);
        gone?.end();
        const how = Math.random();
        if (gone && how < 0.4) clearAllocations(place.context.db(), gone.id);
        if (gone && how > 0.8) deleteContainer(place.context.db(), gone.id);
      } else living.push(reserve(`c${round}`, {}, network));
      const addresses = living.map(({ endpoint }) => endpoint.ipv4);
      expect(new Set(addresses).size).toBe(living.length);
      for (const address of addresses) {
        const last = Number(address?.split(".")[3]);
        expect(last > 0 && last < 31 && last !== 9).toBe(true);
      }
    }
  });

  test("the lowest interface that is free, in order, and docker's prefix where the network has one", () => {
    const one = networkOn(place, "10.90.0.0/24");
    const two = networkOn(place, "10.91.0.0/24", {
      name: "two",
      options: { "com.docker.network.container_iface_prefix": "lan" },
    });
    const three = networkOn(place, "10.92.0.0/24", { name: "three" });
    const { id } = place.container("web");
    const names = reserveEndpoints(place.context, id, [
      { network: one, interface: "eth1" },
      { network: two },
      { network: three },
    ]);
    expect(names.map((each) => each.interface)).toEqual(["eth1", "lan0", "eth0"]);
  });
});

describe("connections of a container", () => {
  test("are kept over its end, and taken again without being asked for", () => {
    const network = networkOn(place, "10.90.0.0/24");
    const { id } = place.container("web");
    reserveEndpoints(place.context, id, [{ network, aliases: ["db"], ipv4: "10.90.0.50" }]);
    clearAllocations(place.context.db(), id);
    expect(endpointsOf(place.context, id)[0]).toMatchObject({
      ipv4: null,
      mac: null,
      wanted: { aliases: ["db"] },
    });
    expect(reserveEndpoints(place.context, id)[0]).toMatchObject({
      ipv4: "10.90.0.50",
      wanted: { aliases: ["db"] },
    });
  });

  test("go with its row", () => {
    const network = networkOn(place, "10.90.0.0/24");
    const { id } = place.container("web");
    reserveEndpoints(place.context, id, [{ network }]);
    deleteContainer(place.context.db(), id);
    expect(endpointsOf(place.context, id)).toEqual([]);
  });

  test("are not made twice, and get what they have not had when they are added", () => {
    const one = networkOn(place, "10.90.0.0/24");
    const two = networkOn(place, "10.91.0.0/24", { name: "two" });
    const { id } = place.container("web");
    reserveEndpoints(place.context, id, [{ network: one }]);
    const container = { id, name: "web" };
    expect(() => addEndpoint(place.context, container, { network: one }, true)).toThrow(
      "connected to network net already",
    );
    expect(addEndpoint(place.context, container, { network: two }, true)).toMatchObject({
      interface: "eth1",
      ipv4: "10.91.0.2",
      ordinal: 1,
    });
    expect(removeEndpoint(place.context, id, one.id)).toMatchObject({ ipv4: "10.90.0.2" });
    expect(removeEndpoint(place.context, id, one.id)).toBeNull();
    expect(addEndpoint(place.context, container, { network: one }, true)).toMatchObject({
      interface: "eth0",
      ipv4: "10.90.0.3",
      ordinal: 2,
    });
  });

  test("without addresses are in no plan until they have got them", () => {
    const one = networkOn(place, "10.90.0.0/24");
    const two = networkOn(place, "10.91.0.0/24", { name: "two" });
    const { id } = place.container("web");
    reserveEndpoints(place.context, id, [{ network: one }]);
    addEndpoint(place.context, { id, name: "web" }, { network: two }, false);
    const planned = () =>
      endpointPlans(place.context, endpointsOf(place.context, id), []).map((plan) => plan.interface);
    expect(planned()).toEqual(["eth0"]);
    expect(usedNetworkPlans(endpointsOf(place.context, id))).toHaveLength(1);
    completeEndpoints(place.context, id);
    expect(planned()).toEqual(["eth0", "eth1"]);
  });

  test("of a start that was killed before it had a row are forgotten", () => {
    const network = networkOn(place, "10.90.0.0/24");
    reserveEndpoints(place.context, "f".repeat(64), [{ network }]);
    expect(usersOf(place.context, network)).toEqual([]);
    expect(() => removeNetwork(place.context, network, false)).not.toThrow();
  });
});

describe("plans", () => {
  test("say what netd needs, with one default route for each family", () => {
    const internal = networkOn(place, "10.90.0.0/24", { internal: true });
    const outside = networkOn(place, "", {
      name: "outside",
      ipv6: true,
      subnets: [{ subnet: "10.91.0.0/24" }, { subnet: "fd00:9::/64" }],
      routes: ["10.200.0.0/16,10.91.0.9", "fd00:a::/64,fd00:9::9"],
    });
    const last = networkOn(place, "10.92.0.0/24", { name: "last", resolvers: ["9.9.9.9"] });
    const { id } = place.container("web");
    const endpoints = reserveEndpoints(place.context, id, [
      { network: internal, aliases: ["DB", "web"] },
      { network: outside },
      { network: last, gatewayPriority: 5 },
    ]);
    const plans = endpointPlans(place.context, endpoints, ["web", "000000000001"]);
    expect(plans.map(({ gateway4, gateway6 }) => [gateway4, gateway6])).toEqual([
      [null, null],
      [null, "fd00:9::1"],
      ["10.92.0.1", null],
    ]);
    expect(plans[0]).toMatchObject({
      network: internal.id,
      ipv4: { address: "10.90.0.2", prefix: 24 },
      ipv6: null,
      names: ["web", "000000000001", "db"],
      hostLoopback: false,
      routes: [],
    });
    expect(plans[1]?.routes).toEqual([
      { destination: "10.200.0.0/16", gateway: "10.91.0.9" },
      { destination: "fd00:a::/64", gateway: "fd00:9::9" },
    ]);
    expect(
      usedNetworkPlans(endpoints).map(({ name, bridge, internal: is, gateways, resolvers }) => [
        name,
        bridge,
        is,
        gateways.length,
        resolvers,
      ]),
    ).toEqual([
      ["net", "proa1", true, 1, []],
      ["outside", "proa2", false, 2, []],
      ["last", "proa3", false, 1, ["9.9.9.9"]],
    ]);
  });

  test("know the further subnets of a network to be on it", () => {
    const subnets = ["10.90.0.0/24", "10.91.0.0/24", "fd00:9::/64", "fd00:a::/64"].map((subnet) => ({
      subnet,
    }));
    const network = createNetwork(place.context, askedNetwork("wide", { subnets }));
    const { id } = place.container("web");
    const [plan] = endpointPlans(place.context, reserveEndpoints(place.context, id, [{ network }]), []);
    expect(plan?.routes).toEqual([
      { destination: "10.91.0.0/24", gateway: "0.0.0.0" },
      { destination: "fd00:a::/64", gateway: "::" },
    ]);
  });

  test("lead nowhere by default where a network is told to give no default route", () => {
    const network = networkOn(place, "10.90.0.0/24", { options: { no_default_route: "true" } });
    const { id } = place.container("web");
    const [plan] = endpointPlans(place.context, reserveEndpoints(place.context, id, [{ network }]), ["web"]);
    expect(plan?.gateway4).toBeNull();
  });

  test("lead to the host over the connection that may reach its loopback", () => {
    const { id } = place.container("web");
    const other = networkOn(place, "10.90.0.0/24");
    const network = defaultNetwork(place.context);
    const routes = (connections: WantedEndpoint[]) =>
      endpointPlans(place.context, reserveEndpoints(place.context, id, connections), []).map((plan) =>
        plan.routes.map(({ destination }) => destination),
      );
    const host = "169.254.1.2/32";
    expect(routes([{ network: other }, { network, hostLoopback: true }])).toEqual([[], [host]]);
    expect(routes([{ network, hostLoopback: true }, { network: other }])).toEqual([[], []]);
    const both = [{ network: other }, { network, hostLoopback: true, gatewayPriority: -1 }];
    expect(routes(both)).toEqual([[], [host]]);
  });

  test("let the host's loopback be reached where the container or the configuration says so", () => {
    const { id } = place.container("web");
    const network = defaultNetwork(place.context);
    const reach = (context: typeof place.context, config: object) =>
      endpointPlans(context, reserveEndpoints(context, id, [{ network, ...config }]), [])[0]?.hostLoopback;
    expect(reach(place.context, { hostLoopback: true })).toBe(true);
    place.configure("[network]\nhost-loopback = true\n");
    expect(reach(place.again(), {})).toBe(true);
    expect(reach(place.again(), { hostLoopback: false })).toBe(false);
  });
});
