/** The options of `run` and `create` that say how a container is connected. */
import { afterEach, describe, expect, test } from "bun:test";
import { missing, useTiny } from "../../harness";
import { removeAll } from "../_network";
import { run, shell } from "../container/_shell";

describe.skipIf(missing !== null)("network options", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(async () => {
    if (missing === null) await removeAll(place);
  });

  describe("are refused, and nothing is made, with", () => {
    const cases: [string[], string][] = [
      [["--network", ""], 'network: "": it has no name'],
      [["--network", ":ip=10.88.0.9"], 'network: ":ip=10.88.0.9": it has no name'],
      [["--network", "nope"], "connect container: nope: no such network"],
      [["--network", "none:x"], 'network: none:x: "none" takes no options'],
      [["--network", "host:ip=1.2.3.4"], 'network: host:ip=1.2.3.4: "host" takes no options'],
      [["--network", "container:"], "network: container:: expected container:NAME"],
      [["--network", "container:nope"], "join network of container: nope: no such container"],
      [["--network", "ns:net"], "network: ns:net: expected ns:/PATH of a network namespace"],
      [["--network", "proa:"], "network: proa:: an option is missing"],
      [["--network", "proa:speed=9"], 'network: proa:speed=9: unknown option "speed"'],
      [["--network", "proa:ip"], 'network: proa:ip: option "ip" has no value'],
      [["--network", "proa:ip=fd00::1"], "ip: fd00::1: it is not an IPv4 address"],
      [["--network", "proa:ip6=10.88.0.9"], "ip6: 10.88.0.9: it is not an IPv6 address"],
      [["--network", "proa:ip=10.88.0.9,ip=10.88.0.8"], "a second IPv4 address"],
      [["--network", "proa:mac=x"], "mac address: x: expected six bytes"],
      [["--network", "proa:alias=a b"], 'network alias: "a b": it is no name of a host'],
      [["--network", "proa:interface_name=a/b"], "an interface name has 15 letters"],
      [["--network", "proa:host-loopback=maybe"], "host-loopback is true or false"],
      [["--network", "proa:gw-priority=high"], "gw-priority=high: it is a whole number"],
      [["--network", "ip=10.88.0.9"], "it has no name"],
      [["--network", "name=proa,name=b"], "it has two names"],
      [["--network", "name=host,ip=10.88.0.9"], '"host" takes no options'],
      [["--network", "name=proa,driver-opt=x=y"], "driver-opt: x: no such option of a connection"],
      [["--network", "name=proa,link-local-ip=169.254.8.8"], "link-local addresses cannot be chosen"],
      [["--network", "proa", "--network", "proa"], "network: proa: it is named twice"],
      [
        ["--network", "proa", "--network", "host"],
        "network: host: it cannot be combined with other networks",
      ],
      [
        ["--network", "none", "--network", "proa"],
        "network: none: it cannot be combined with other networks",
      ],
      [
        ["--network", "none", "--ip", "10.88.0.9"],
        "an address, a MAC address or an alias needs a network of proa's own",
      ],
      [["--network", "host", "--network-alias", "a"], "needs a network of proa's own"],
      [["--ip", "10.88.0.300"], "ip: 10.88.0.300: it is not an IPv4 address"],
      [["--ip", "192.0.2.9"], "192.0.2.9: it is in no subnet of network proa"],
      [["--ip6", "nope"], "ip6: nope: it is not an IPv6 address"],
      [["--mac-address", "03:00:00:00:00:01"], "it is that of a group: its first byte is odd"],
      [["--network-alias", "-a"], 'network alias: "-a": it is no name of a host'],
      [["--link", "db"], "link: db: no such container"],
      [["--dns", "resolver"], "dns: resolver: it is not an IP address"],
      [["--dns-search", "a b"], 'dns search: "a b": it is no domain'],
      [["--dns-option", "ndots: 3"], 'dns option: "ndots: 3": expected NAME or NAME:NUMBER'],
      [Array.from({ length: 9 }, (_, i) => ["--dns", `9.9.9.${i}`]).flat(), "dns: 9 servers: 8 at most"],
      [["--add-host", "a"], "extra host: a: expected NAME:ADDRESS"],
      [
        ["--network", "none", "--add-host", "a:host-gateway"],
        "the container's network has no way to the host",
      ],
      [["--network", "slirp4netns:mtu"], "network slirp4netns: mtu: expected NAME=VALUE"],
      [["--network", "slirp4netns:speed=1"], "network slirp4netns: speed: unknown option"],
      [["--network", "slirp4netns:cidr=10.0.2.7/24"], "the value does not fit"],
      [["--network", "pasta:--pid,/tmp/x"], "network pasta: --pid: proa decides this itself"],
    ];
    for (const [options, message] of cases) {
      test(options.join(" "), async () => {
        const result = await run(place, options, ["true"]);
        expect(result.stderr).toContain(message);
        expect(result.stdout).toBe("");
        expect(result.exitCode).toBe(125); // the engine's own: 1 may be that of a program
        expect(await engine.ok(["ps", "-aq"])).toBe("");
      });
    }
  });

  test("create refuses what the start would, and keeps nothing", async () => {
    for (const options of [
      ["--network", "nope"],
      ["--ip", "192.0.2.9"],
      ["-p", "80:80"],
    ]) {
      expect((await engine.proa(["create", ...options, place.tiny])).exitCode).toBe(125);
    }
    expect(await engine.ok(["ps", "-aq"])).toBe("");
    expect(JSON.parse(await engine.ok(["network", "inspect", "-f", "{{json .Containers}}", "proa"]))).toEqual(
      {},
    );
  });

  test("--ip, --ip6 and --mac-address are the interface's", async () => {
    await engine.ok(["network", "create", "--subnet", "10.91.0.0/24", "--subnet", "fd00:91::/64", "six"]);
    const options = [
      "--network",
      "six",
      "--ip",
      "10.91.0.77",
      "--ip6",
      "fd00:91::77",
      "--mac-address",
      "02-42-AC-11-00-99",
    ];
    const text = await shell(
      place,
      options,
      "ip -o addr show eth0 | awk '{print $4}'; cat /sys/class/net/eth0/address",
    );
    expect(text.split("\n").filter((line) => !line.startsWith("fe80:"))).toEqual([
      "10.91.0.77/24",
      "fd00:91::77/64",
      "02:42:ac:11:00:99",
    ]);
    await engine.ok(["network", "rm", "six"]);
  });

  for (const [form, option] of [
    ["podman's short", "proa:ip=10.88.200.9,mac=02:42:00:00:00:09,alias=one,alias=two,interface_name=lan0"],
    [
      "docker's long",
      "name=proa,ip=10.88.200.9,mac-address=02:42:00:00:00:09,alias=one,alias=two,driver-opt=com.docker.network.endpoint.ifname=lan0",
    ],
  ] as const) {
    test(`${form} form sets address, MAC address, names and the interface's name`, async () => {
      const script =
        "cat /sys/class/net/lan0/address; ip -o -4 addr show lan0 | awk '{print $4}'; grep -w 10.88.200.9 /etc/hosts | cut -f2";
      const [mac, address, names] = (
        await shell(place, ["--name", "box", "--network", option], script)
      ).split("\n");
      expect([mac, address]).toEqual(["02:42:00:00:00:09", "10.88.200.9/16"]);
      expect(names?.split(" ").slice(1)).toEqual(["box", "one", "two"]);
    });
  }

  test("the single options are those of the first network, under its own", async () => {
    await engine.ok(["network", "create", "--subnet", "10.92.0.0/24", "left"]);
    await engine.ok(["network", "create", "--subnet", "10.92.1.0/24", "right"]);
    const options = ["--network", "left:alias=l", "--net", "right", "--ip", "10.92.0.50", "--net-alias", "m"];
    await engine.ok(["create", "--name", "both", ...options, place.tiny]);
    await engine.ok(["start", "both"]).catch(() => undefined);
    const networks = JSON.parse(
      await engine.ok(["inspect", "-f", "{{json .NetworkSettings.Networks}}", "both"]),
    );
    expect(Object.keys(networks)).toEqual(["left", "right"]);
    expect(networks.left).toMatchObject({ Aliases: ["l", "m"], IPAMConfig: { IPv4Address: "10.92.0.50" } });
    expect(networks.right).toMatchObject({ Aliases: null, IPAMConfig: null });
    await engine.ok(["rm", "-f", "both"]);
    await engine.ok(["network", "rm", "left", "right"]);
  });

  test("gw-priority chooses who has the default route", async () => {
    await engine.ok(["network", "create", "--subnet", "10.92.2.0/24", "one"]);
    await engine.ok(["network", "create", "--subnet", "10.92.3.0/24", "two"]);
    const gateway = (...options: string[]) => shell(place, options, "ip route | awk '/^default/ {print $3}'");
    expect(await gateway("--network", "one", "--network", "two")).toBe("10.92.2.1");
    expect(await gateway("--network", "one", "--network", "two:gw-priority=1")).toBe("10.92.3.1");
    await engine.ok(["network", "rm", "one", "two"]);
  });

  test("low ports and ping need no privilege inside, which --sysctl may take back", async () => {
    const script =
      "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; cut -f1 /proc/sys/net/ipv4/ping_group_range";
    expect(await shell(place, [], script)).toBe("0\n0");
    expect(await shell(place, ["--sysctl", "net.ipv4.ip_unprivileged_port_start=81"], script)).toBe("81\n0");
  });
});
